//! A policy as it stands in JSON, and the way from there to a [`Policy`] and back.
//!
//! Member names are the wire's. Nothing unknown is read over, and nothing may be said twice: which of the
//! two would count is not for a parser to decide.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::entries::Entries;
use super::run::{AttributeSource, Choice, RunGrant, RunGrantError};
use super::{
    ClaimPath, Decision, Grant, MAX_NAME_BYTES, MAX_RULES, NoPermissions, Pattern, Policy, PolicyError, Rule,
    Syntax,
};

/// `AuthPolicyDefinition` of Pulumi Cloud's REST API, and `syntax` and `run`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyDocument {
    pub decision: Decision,
    pub token_type: TokenType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_login: Option<String>,
    #[serde(default, rename = "runnerID", skip_serializing_if = "Option::is_none")]
    pub runner_id: Option<String>,
    #[serde(default, rename = "roleID", skip_serializing_if = "Option::is_none")]
    pub role_id: Option<String>,
    /// Absent, `null`, `[]` or `["admin"]`; all but the last mean the same.
    #[serde(default, skip_serializing_if = "PermissionsDocument::is_absent")]
    pub authorized_permissions: PermissionsDocument,
    /// Absent means strict. Written only where it is not.
    #[serde(default, skip_serializing_if = "is_strict")]
    pub syntax: Syntax,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunDocument>,
    pub rules: Entries<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    Organization,
    Team,
    Personal,
    Runner,
    Run,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "authorizedPermissions is an array of strings, or null")]
pub enum PermissionsDocument {
    #[default]
    #[serde(skip)]
    Absent,
    Null(()),
    List(Vec<String>),
}

/// `{"service": "deploy", "attributes": {…}, "audiences": […]}`. A denying policy has only `service`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunDocument {
    pub service: String,
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub attributes: Entries<AttributeDocument>,
    /// Absent means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audiences: Option<Vec<String>>,
}

/// One of `{"claim": PATH, "stripPrefix"?: TEXT}`, `{"value": TEXT}`, `{"choose": [TEXT, …]}` and
/// `{"choose": "any"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttributeDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    claim: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    strip_prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ChoiceDocument")]
    choose: Option<ChoiceDocument>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum ChoiceDocument {
    OneOf(Vec<String>),
    Any(Any),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Any {
    Any,
}

impl TryFrom<PolicyDocument> for Policy {
    type Error = PolicyError;

    fn try_from(mut document: PolicyDocument) -> Result<Self, PolicyError> {
        let permissions = std::mem::take(&mut document.authorized_permissions);
        let role = document.role_id.take();
        let (decision, syntax) = (document.decision, document.syntax);
        let rules = parse_rules(std::mem::take(&mut document.rules), syntax)?;
        let mut grant = parse_grant(document)?;
        let mut written_as = NoPermissions::Absent;
        match permissions {
            PermissionsDocument::Absent => {}
            PermissionsDocument::Null(()) => written_as = NoPermissions::Null,
            PermissionsDocument::List(list) => match (list.as_slice(), &mut grant) {
                ([], _) => written_as = NoPermissions::Empty,
                ([only], Grant::Organization { admin }) if only == "admin" => *admin = true,
                ([only], other) if only == "admin" => {
                    return Err(PolicyError::Permission(other.token_type().to_owned()));
                }
                (several, _) => return Err(PolicyError::Permission(several.join(", "))),
            },
        }
        if decision == Decision::Allow && rules.is_empty() {
            return Err(PolicyError::NoRules);
        }
        if let Some(role) = &role {
            check_name("roleID", role)?;
            if let Grant::Run(_) = grant {
                return Err(PolicyError::Foreign { token_type: "run", member: "roleID" });
            }
        }
        Ok(Self { decision, grant, role, syntax, rules, written_as })
    }
}

fn parse_rules(rules: Entries<String>, syntax: Syntax) -> Result<Vec<Rule>, PolicyError> {
    if rules.0.len() > MAX_RULES {
        return Err(PolicyError::TooManyRules(rules.0.len()));
    }
    let mut parsed = Vec::<Rule>::with_capacity(rules.0.len());
    for (path, pattern) in rules.0 {
        let claim = match ClaimPath::parse(&path) {
            Ok(claim) => claim,
            Err(reason) => return Err(PolicyError::Path { path, reason }),
        };
        // `sub` and `"sub"` are one claim.
        if parsed.iter().any(|rule| rule.claim == claim) {
            return Err(PolicyError::Twice(path));
        }
        match Pattern::compile(&pattern, syntax) {
            Ok(pattern) => parsed.push(Rule { claim, pattern }),
            Err(reason) => return Err(PolicyError::Rule { path, reason }),
        }
    }
    Ok(parsed)
}

fn parse_grant(document: PolicyDocument) -> Result<Grant, PolicyError> {
    let PolicyDocument { decision, token_type, team_name, user_login, runner_id, syntax, run, .. } = document;
    let named = token_type.member();
    let mut name = None;
    let members = [("teamName", team_name), ("userLogin", user_login), ("runnerID", runner_id)];
    for (member, value) in members {
        match value {
            Some(value) if named == Some(member) => name = Some(value),
            Some(_) => return Err(PolicyError::Foreign { token_type: token_type.as_str(), member }),
            None => {}
        }
    }
    if run.is_some() && token_type != TokenType::Run {
        return Err(PolicyError::Foreign { token_type: token_type.as_str(), member: "run" });
    }
    let missing = |member| PolicyError::Missing { token_type: token_type.as_str(), member };
    let name_of = |member| {
        let name = name.ok_or(missing(member))?;
        check_name(member, &name)?;
        Pattern::compile(&name, syntax).map_err(|reason| PolicyError::Name { member, reason })
    };
    match token_type {
        TokenType::Organization => Ok(Grant::Organization { admin: false }),
        TokenType::Team => name_of("teamName").map(Grant::Team),
        TokenType::Personal => name_of("userLogin").map(Grant::Personal),
        TokenType::Runner => name_of("runnerID").map(Grant::Runner),
        TokenType::Run => Ok(Grant::Run(RunGrant::parse(run.ok_or(missing("run"))?, decision)?)),
    }
}

fn check_name(member: &'static str, name: &str) -> Result<(), PolicyError> {
    match name.len() {
        0 => Err(PolicyError::Empty(member)),
        1..=MAX_NAME_BYTES => Ok(()),
        bytes => Err(PolicyError::TooLong { member, bytes }),
    }
}

impl From<Policy> for PolicyDocument {
    fn from(policy: Policy) -> Self {
        let Policy { decision, grant, role, syntax, rules, written_as } = policy;
        let authorized_permissions = match (&grant, written_as) {
            (Grant::Organization { admin: true }, _) => PermissionsDocument::List(vec!["admin".to_owned()]),
            (_, NoPermissions::Absent) => PermissionsDocument::Absent,
            (_, NoPermissions::Null) => PermissionsDocument::Null(()),
            (_, NoPermissions::Empty) => PermissionsDocument::List(Vec::new()),
        };
        let rules = rules
            .into_iter()
            .map(|rule| (rule.claim.as_str().to_owned(), rule.pattern.as_str().to_owned()))
            .collect();
        let mut document = Self {
            decision,
            token_type: TokenType::Organization,
            team_name: None,
            user_login: None,
            runner_id: None,
            role_id: role,
            authorized_permissions,
            syntax,
            run: None,
            rules: Entries(rules),
        };
        let text = |name: Pattern| Some(name.as_str().to_owned());
        match grant {
            Grant::Organization { .. } => {}
            Grant::Team(name) => (document.token_type, document.team_name) = (TokenType::Team, text(name)),
            Grant::Personal(name) => {
                (document.token_type, document.user_login) = (TokenType::Personal, text(name));
            }
            Grant::Runner(name) => {
                (document.token_type, document.runner_id) = (TokenType::Runner, text(name));
            }
            Grant::Run(run) => (document.token_type, document.run) = (TokenType::Run, Some(run.into())),
        }
        document
    }
}

impl From<RunGrant> for RunDocument {
    fn from(grant: RunGrant) -> Self {
        let attributes = grant.attributes.into_iter().map(|(name, source)| (name, source.into())).collect();
        Self { service: grant.service, attributes: Entries(attributes), audiences: grant.audiences }
    }
}

impl From<AttributeSource> for AttributeDocument {
    fn from(source: AttributeSource) -> Self {
        match source {
            AttributeSource::Claim { path, strip_prefix } => {
                Self { claim: Some(path.as_str().to_owned()), strip_prefix, ..Self::default() }
            }
            AttributeSource::Value(value) => Self { value: Some(value), ..Self::default() },
            AttributeSource::Chosen(choice) => {
                let choose = match choice {
                    Choice::Any => ChoiceDocument::Any(Any::Any),
                    Choice::OneOf(values) => ChoiceDocument::OneOf(values),
                };
                Self { choose: Some(choose), ..Self::default() }
            }
        }
    }
}

impl AttributeDocument {
    /// `None` unless it is exactly one of the forms.
    pub(super) fn into_source(self) -> Option<Result<AttributeSource, RunGrantError>> {
        match self {
            Self { claim: Some(path), strip_prefix, value: None, choose: None } => {
                let parsed = ClaimPath::parse(&path);
                Some(match parsed {
                    Ok(path) => Ok(AttributeSource::Claim { path, strip_prefix }),
                    Err(reason) => Err(RunGrantError::Path { path, reason }),
                })
            }
            Self { claim: None, strip_prefix: None, value: Some(value), choose: None } => {
                Some(Ok(AttributeSource::Value(value)))
            }
            Self { claim: None, strip_prefix: None, value: None, choose: Some(choose) } => {
                let choice = match choose {
                    ChoiceDocument::Any(Any::Any) => Choice::Any,
                    ChoiceDocument::OneOf(values) => Choice::OneOf(values),
                };
                Some(Ok(AttributeSource::Chosen(choice)))
            }
            _ => None,
        }
    }
}

impl TokenType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Team => "team",
            Self::Personal => "personal",
            Self::Runner => "runner",
            Self::Run => "run",
        }
    }

    /// The member that says which.
    fn member(self) -> Option<&'static str> {
        match self {
            Self::Organization | Self::Run => None,
            Self::Team => Some("teamName"),
            Self::Personal => Some("userLogin"),
            Self::Runner => Some("runnerID"),
        }
    }
}

impl PermissionsDocument {
    fn is_absent(&self) -> bool {
        *self == Self::Absent
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_strict(syntax: &Syntax) -> bool {
    *syntax == Syntax::Strict
}
