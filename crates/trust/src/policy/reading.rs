//! Reads policies from their JSON.

use super::decision::Decision;
use super::definition::{Grant, NoPermissions, Policy, Rule};
use super::document::{
    Any, AttributeDocument, ChoiceDocument, PermissionsDocument, PolicyDocument, RunDocument, TokenType,
};
use super::entries::Entries;
use super::error::{PoliciesError, PolicyError};
use super::limits::{
    MAX_ATTRIBUTES, MAX_AUDIENCE_BYTES, MAX_AUDIENCES, MAX_CHOICES, MAX_NAME_BYTES, MAX_POLICIES, MAX_RULES,
    MAX_TEXT_BYTES, MAX_VALUE_BYTES, MAX_WORD_BYTES,
};
use super::run::{AttributeSource, Choice, RunGrant, RunGrantError};
use crate::claim_path::ClaimPath;
use crate::pattern::{Pattern, Syntax};

/// Reads the policies of one issuer.
///
/// Fails with [`PoliciesError::Policy`] at the first document that is not a policy, and with the other errors where
/// a bound of [`super::limits`] is exceeded.
pub fn parse_policies(documents: Vec<PolicyDocument>) -> Result<Vec<Policy>, PoliciesError> {
    if documents.len() > MAX_POLICIES {
        return Err(PoliciesError::TooMany(documents.len()));
    }
    let policies = documents
        .into_iter()
        .enumerate()
        .map(|(index, document)| {
            Policy::try_from(document).map_err(|source| PoliciesError::Policy { index, source })
        })
        .collect::<Result<Vec<_>, _>>()?;
    check_bounds(&policies)?;
    Ok(policies)
}

pub(super) fn check_bounds(policies: &[Policy]) -> Result<(), PoliciesError> {
    if policies.len() > MAX_POLICIES {
        return Err(PoliciesError::TooMany(policies.len()));
    }
    match policies.iter().map(Policy::text_bytes).sum() {
        ..=MAX_TEXT_BYTES => Ok(()),
        bytes => Err(PoliciesError::TooMuchText(bytes)),
    }
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
        TokenType::Run => Ok(Grant::Run(parse_run(run.ok_or(missing("run"))?, decision)?)),
    }
}

fn check_name(member: &'static str, name: &str) -> Result<(), PolicyError> {
    match name.len() {
        0 => Err(PolicyError::Empty(member)),
        1..=MAX_NAME_BYTES => Ok(()),
        bytes => Err(PolicyError::TooLong { member, bytes }),
    }
}

fn parse_run(document: RunDocument, decision: Decision) -> Result<RunGrant, RunGrantError> {
    let RunDocument { service, attributes, audiences } = document;
    if !is_word(&service) {
        return Err(RunGrantError::Word(service));
    }
    if decision == Decision::Deny && !(attributes.is_empty() && audiences.is_none()) {
        return Err(RunGrantError::DenyingTooMuch);
    }
    if attributes.0.len() > MAX_ATTRIBUTES {
        return Err(RunGrantError::TooManyAttributes);
    }
    let mut sources = Vec::with_capacity(attributes.0.len());
    for (name, attribute) in attributes.0 {
        if !is_word(&name) {
            return Err(RunGrantError::Word(name));
        }
        let Some(source) = source_of(attribute) else { return Err(RunGrantError::Source(name)) };
        let source = source?;
        if !is_bounded(&source) {
            return Err(RunGrantError::Value(name));
        }
        sources.push((name, source));
    }
    if let Some(audiences) = &audiences {
        let bounded = |audience: &String| (1..=MAX_AUDIENCE_BYTES).contains(&audience.len());
        if !(1..=MAX_AUDIENCES).contains(&audiences.len()) || !audiences.iter().all(bounded) {
            return Err(RunGrantError::Audiences);
        }
    }
    Ok(RunGrant { service, attributes: sources, audiences })
}

/// `None` unless it has exactly one of the forms.
fn source_of(document: AttributeDocument) -> Option<Result<AttributeSource, RunGrantError>> {
    match document {
        AttributeDocument { claim: Some(path), strip_prefix, value: None, choose: None } => {
            let parsed = ClaimPath::parse(&path);
            Some(match parsed {
                Ok(path) => Ok(AttributeSource::Claim { path, strip_prefix }),
                Err(reason) => Err(RunGrantError::Path { path, reason }),
            })
        }
        AttributeDocument { claim: None, strip_prefix: None, value: Some(value), choose: None } => {
            Some(Ok(AttributeSource::Value(value)))
        }
        AttributeDocument { claim: None, strip_prefix: None, value: None, choose: Some(choose) } => {
            let choice = match choose {
                ChoiceDocument::Any(Any::Any) => Choice::Any,
                ChoiceDocument::OneOf(values) => Choice::OneOf(values),
            };
            Some(Ok(AttributeSource::Chosen(choice)))
        }
        _ => None,
    }
}

fn is_bounded(source: &AttributeSource) -> bool {
    let bounded = |text: &String| (1..=MAX_VALUE_BYTES).contains(&text.len());
    match source {
        AttributeSource::Claim { strip_prefix, .. } => strip_prefix.as_ref().is_none_or(bounded),
        AttributeSource::Value(value) => bounded(value),
        AttributeSource::Chosen(Choice::Any) => true,
        AttributeSource::Chosen(Choice::OneOf(values)) => {
            (1..=MAX_CHOICES).contains(&values.len()) && values.iter().all(bounded)
        }
    }
}

/// The names of services and attributes: `[a-z][a-z0-9_]{0,62}`.
fn is_word(text: &str) -> bool {
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=MAX_WORD_BYTES).contains(&text.len())
        && text.as_bytes()[0].is_ascii_lowercase()
        && text.bytes().all(rest)
}
