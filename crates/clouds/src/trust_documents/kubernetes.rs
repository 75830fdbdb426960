//! Kubernetes' structured authentication: `AuthenticationConfiguration` of `apiserver.config.k8s.io` (Kubernetes
//! documentation, "Authenticating", "Using Authentication Configuration").

mod write;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use thiserror::Error;

pub use self::write::KubernetesTarget;
use super::expression::{Dialect, Expression, ExpressionError, Outcome};
use super::google::{found_for, not_a_value};
use super::lint::Finding;
use super::token::TokenClaims;
use super::verdict::{Condition, Holds, NOTHING, Verdict};

const MAX_AUTHENTICATORS: usize = 64;
const MAX_EXPRESSION_CHARS: usize = 8_192;

const FUNCTIONS: &[&str] = &[
    "startsWith",
    "endsWith",
    "contains",
    "matches",
    "size",
    "split",
    "lowerAscii",
    "upperAscii",
    "int",
    "string",
];
const CLAIMS: Dialect =
    Dialect { variables: &["claims"], functions: FUNCTIONS, max_chars: MAX_EXPRESSION_CHARS };
const USER: Dialect = Dialect { variables: &["user"], functions: FUNCTIONS, max_chars: MAX_EXPRESSION_CHARS };

pub struct AuthenticationConfiguration(Vec<Authenticator>);

struct Authenticator {
    issuer: String,
    audiences: Vec<String>,
    claim_rules: Vec<ClaimRule>,
    username: Mapped,
    others: Vec<(String, Mapped)>,
    user_rules: Vec<Expression>,
}

enum ClaimRule {
    Required { claim: String, value: String },
    Expression(Expression),
}

/// Where a part of the user comes from.
enum Mapped {
    Claim { claim: String, prefix: String },
    Expression(Expression),
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigurationError {
    #[error("it is no AuthenticationConfiguration: {0}")]
    Shape(String),
    #[error("{0}: {1}")]
    Expression(&'static str, ExpressionError),
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    jwt: Vec<WrittenAuthenticator>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenAuthenticator {
    issuer: WrittenIssuer,
    #[serde(default)]
    claim_validation_rules: Vec<WrittenRule>,
    claim_mappings: WrittenMappings,
    #[serde(default)]
    user_validation_rules: Vec<WrittenRule>,
}

#[derive(Deserialize)]
struct WrittenIssuer {
    url: String,
    #[serde(default)]
    audiences: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenRule {
    claim: Option<String>,
    #[serde(default)]
    required_value: String,
    expression: Option<String>,
    #[serde(rename = "message")]
    _message: Option<String>,
    #[serde(rename = "messageExpression")]
    _message_expression: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMappings {
    username: WrittenMapping,
    groups: Option<WrittenMapping>,
    uid: Option<WrittenMapping>,
    #[serde(default)]
    extra: Vec<WrittenExtra>,
}

#[derive(Deserialize)]
struct WrittenMapping {
    claim: Option<String>,
    prefix: Option<String>,
    expression: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenExtra {
    key: String,
    value_expression: String,
}

impl AuthenticationConfiguration {
    pub fn parse(document: &Value) -> Result<Self, ConfigurationError> {
        let shape = |why: String| ConfigurationError::Shape(why);
        let written: Written =
            serde_json::from_value(document.clone()).map_err(|error| shape(error.to_string()))?;
        if written.jwt.is_empty() {
            return Err(shape("it has no `jwt` authenticator".to_owned()));
        }
        written.jwt.into_iter().map(Authenticator::parse).collect::<Result<_, _>>().map(Self)
    }

    pub fn audiences(&self) -> Vec<String> {
        self.0.iter().flat_map(|one| one.audiences.clone()).collect()
    }

    pub fn evaluate(&self, token: &TokenClaims) -> Verdict {
        Verdict::any(self.0.iter().map(|one| one.evaluate(token)).collect(), "a jwt authenticator")
    }

    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        if self.0.len() > MAX_AUTHENTICATORS {
            found.push(Finding::problem(
                "too_many",
                format!("an API server takes {MAX_AUTHENTICATORS} authenticators"),
            ));
        }
        for (index, one) in self.0.iter().enumerate() {
            if self.0[..index].iter().any(|other| other.issuer == one.issuer) {
                found.push(Finding::problem(
                    "twice",
                    format!("{} has two authenticators, which the API server refuses", one.issuer),
                ));
            }
            found.extend(one.findings());
        }
        found
    }
}

impl Authenticator {
    fn parse(written: WrittenAuthenticator) -> Result<Self, ConfigurationError> {
        let rules =
            written.claim_validation_rules.into_iter().map(|rule| match (rule.claim, rule.expression) {
                (Some(claim), None) => Ok(ClaimRule::Required { claim, value: rule.required_value }),
                (None, Some(text)) => {
                    parsed("claimValidationRules", &text, CLAIMS).map(ClaimRule::Expression)
                }
                _ => Err(ConfigurationError::Shape(
                    "a claimValidationRule has a claim or an expression".to_owned(),
                )),
            });
        let user_rules = written.user_validation_rules.into_iter().map(|rule| {
            let text = rule.expression.ok_or_else(|| {
                ConfigurationError::Shape("a userValidationRule has an expression".to_owned())
            })?;
            parsed("userValidationRules", &text, USER)
        });
        let WrittenMappings { username, groups, uid, extra } = written.claim_mappings;
        let mut others = Vec::new();
        for (name, mapping) in [("groups", groups), ("uid", uid)] {
            if let Some(mapping) = mapping.filter(|one| one.claim.is_some() || one.expression.is_some()) {
                others.push((name.to_owned(), mapping.parse()?));
            }
        }
        for one in extra {
            let expression = parsed("claimMappings.extra", &one.value_expression, CLAIMS)?;
            others.push((format!("extra[{}]", one.key), Mapped::Expression(expression)));
        }
        Ok(Self {
            issuer: written.issuer.url,
            audiences: written.issuer.audiences,
            claim_rules: rules.collect::<Result<_, _>>()?,
            username: username.parse()?,
            others,
            user_rules: user_rules.collect::<Result<_, _>>()?,
        })
    }

    fn evaluate(&self, token: &TokenClaims) -> Verdict {
        let mut conditions = vec![
            Condition::equals("issuer.url", &self.issuer, token.issuer()),
            Condition::any_of("issuer.audiences", &self.audiences, &token.audiences()),
        ];
        conditions.extend(self.claim_rules.iter().map(|rule| rule.evaluate(token)));
        let mut user = Map::new();
        let mut unknown: Option<String> = None;
        match self.username.value(token) {
            Ok(Value::String(name)) if !name.is_empty() => {
                conditions.push(Condition::new("claimMappings.username", "a text", &name, Holds::Yes));
                user.insert("username".to_owned(), name.into());
            }
            Ok(other) => conditions.push(Condition::new(
                "claimMappings.username",
                "a text",
                other.to_string(),
                Holds::No,
            )),
            Err(why) => conditions.push(why.condition("claimMappings.username", "a text", &mut unknown)),
        }
        for (name, mapping) in &self.others {
            match mapping.value(token) {
                Ok(value) => drop(user.insert(name.clone(), value)),
                // Groups and uid by claim may be missing; an expression must come to a value.
                Err(_) if matches!(mapping, Mapped::Claim { .. }) => {}
                Err(why) => {
                    conditions.push(why.condition(&format!("claimMappings.{name}"), "a value", &mut unknown));
                }
            }
        }
        user.entry("groups").or_insert_with(|| json!([]));
        let variables = BTreeMap::from([("user", Value::Object(user))]);
        // What follows from a mapping that is not known is not known either.
        let outcome = |rule: &Expression| match &unknown {
            Some(why) => Outcome::Unknown(why.clone()),
            None => rule.evaluate(&variables),
        };
        conditions.extend(self.user_rules.iter().map(|rule| match outcome(rule) {
            Outcome::Is(Value::Bool(holds)) => Condition::new(
                "userValidationRules",
                rule.text(),
                variables["user"].to_string(),
                Holds::of(holds),
            ),
            failed => not_a_value("userValidationRules", rule, &failed),
        }));
        Verdict::all(self.issuer.clone(), conditions)
    }

    fn findings(&self) -> Vec<Finding> {
        let issuer = &self.issuer;
        let mut found = Vec::new();
        let bounds = |rule: &ClaimRule| match rule {
            ClaimRule::Required { claim, .. } => claim == "sub",
            ClaimRule::Expression(expression) => {
                expression.text().contains("claims.sub") || expression.text().contains("claims['sub']")
            }
        };
        if !self.claim_rules.iter().any(bounds) {
            found.push(Finding::problem(
                "subject_missing",
                format!("{issuer}: no claimValidationRule reads `sub`: every run of every organization of the issuer is an authenticated user"),
            ));
        }
        for rule in &self.claim_rules {
            let ClaimRule::Expression(expression) = rule else { continue };
            let text = expression.text();
            if text.contains(".matches(") && !text.contains(".matches('^") && !text.contains(".matches(\"^") {
                found.push(Finding::problem("unanchored", format!("{issuer}: `matches` looks anywhere in the text: begin the pattern with ^ and end it with $")));
            }
        }
        if self.audiences.is_empty() {
            found.push(Finding::problem(
                "audience_missing",
                format!("{issuer}: the API server needs at least one audience"),
            ));
        }
        let prefixed = match &self.username {
            Mapped::Claim { prefix, .. } => !prefix.is_empty(),
            Mapped::Expression(expression) => expression.text().contains('+'),
        };
        if !prefixed && self.user_rules.is_empty() {
            found.push(Finding::warning(
                "username_without_prefix",
                format!("{issuer}: the username has no prefix of its own, so that a token could name a user of another kind"),
            ));
        }
        found
    }
}

impl ClaimRule {
    fn evaluate(&self, token: &TokenClaims) -> Condition {
        match self {
            Self::Required { claim, value } => {
                Condition::equals(&format!("claimValidationRules {claim}"), value, token.text(claim))
            }
            Self::Expression(expression) => {
                let variables = BTreeMap::from([("claims", Value::Object(token.all().clone()))]);
                match expression.evaluate(&variables) {
                    Outcome::Is(Value::Bool(holds)) => Condition::new(
                        "claimValidationRules",
                        expression.text(),
                        found_for(expression.text(), token),
                        Holds::of(holds),
                    ),
                    failed => not_a_value("claimValidationRules", expression, &failed),
                }
            }
        }
    }
}

impl Mapped {
    fn value(&self, token: &TokenClaims) -> Result<Value, NoValue> {
        match self {
            Self::Claim { claim, prefix } => match token.find(claim) {
                Some(Value::String(text)) => Ok(format!("{prefix}{text}").into()),
                Some(Value::Array(several)) => Ok(several
                    .iter()
                    .filter_map(Value::as_str)
                    .map(|text| format!("{prefix}{text}"))
                    .collect()),
                Some(_) => Err(NoValue::Refused(format!("the claim `{claim}` is no text"))),
                None => Err(NoValue::Refused(format!("the token has no claim `{claim}`"))),
            },
            Self::Expression(expression) => {
                let variables = BTreeMap::from([("claims", Value::Object(token.all().clone()))]);
                match expression.evaluate(&variables) {
                    Outcome::Is(value) => Ok(value),
                    Outcome::Missing(claim) => {
                        Err(NoValue::Refused(format!("the token has no claim `{claim}`")))
                    }
                    Outcome::Fails(why) => Err(NoValue::Refused(why)),
                    Outcome::Unknown(why) => Err(NoValue::Unknown(why)),
                }
            }
        }
    }
}

/// Why a part of the user has no value.
enum NoValue {
    Refused(String),
    Unknown(String),
}

impl NoValue {
    fn condition(self, what: &str, expected: &str, unknown: &mut Option<String>) -> Condition {
        match self {
            Self::Refused(why) => Condition::new(what, expected, why, Holds::No),
            Self::Unknown(why) => {
                unknown.get_or_insert_with(|| why.clone());
                Condition::unknown(what, expected, why)
            }
        }
    }
}

impl WrittenMapping {
    fn parse(self) -> Result<Mapped, ConfigurationError> {
        match (self.claim.filter(|claim| !claim.is_empty()), self.expression) {
            (Some(claim), None) => {
                let prefix = self.prefix.ok_or_else(|| {
                    ConfigurationError::Shape(format!(
                        "the mapping of claim `{claim}` needs a prefix, if only an empty one"
                    ))
                })?;
                Ok(Mapped::Claim { claim, prefix })
            }
            (None, Some(text)) => parsed("claimMappings", &text, CLAIMS).map(Mapped::Expression),
            _ => Err(ConfigurationError::Shape(format!(
                "a mapping has a claim or an expression, and {NOTHING} is not one"
            ))),
        }
    }
}

fn parsed(what: &'static str, text: &str, dialect: Dialect) -> Result<Expression, ConfigurationError> {
    Expression::parse(text, dialect).map_err(|error| ConfigurationError::Expression(what, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "a value is made with json! for the one call")]
    fn configuration(rules: Value, username: Value, user_rules: Value) -> AuthenticationConfiguration {
        AuthenticationConfiguration::parse(&json!({"jwt": [{
            "issuer": {"url": "https://i", "audiences": ["kubernetes"]},
            "claimValidationRules": rules, "claimMappings": {"username": username}, "userValidationRules": user_rules,
        }]}))
        .unwrap()
    }

    #[test]
    fn rules_hold_as_kubernetes_documents_them() {
        use Holds::{No, Yes};
        let claims = json!({"iss": "https://i", "aud": ["x", "kubernetes"], "sub": "a:b", "n": 1});
        let token = TokenClaims::new(claims.as_object().unwrap().clone());
        let by_claim = json!({"claim": "sub", "prefix": "runmint:"});
        let only = json!([{"expression": "!user.username.startsWith('system:')"}]);
        for (rules, username, user_rules, expected) in [
            (json!([]), by_claim.clone(), json!([]), Yes),
            (json!([{"claim": "sub", "requiredValue": "a:b"}]), by_claim.clone(), json!([]), Yes),
            (json!([{"claim": "sub", "requiredValue": "a"}]), by_claim.clone(), json!([]), No),
            (json!([{"claim": "n", "requiredValue": "1"}]), by_claim.clone(), json!([]), No),
            (
                json!([{"expression": "claims.sub == 'a:b'", "message": "m"}]),
                by_claim.clone(),
                only.clone(),
                Yes,
            ),
            (json!([{"expression": "claims.nope == 'a:b'"}]), by_claim.clone(), json!([]), No),
            (json!([]), json!({"expression": "'system:' + claims.sub"}), only.clone(), No),
            (json!([]), json!({"expression": "claims.nope"}), json!([]), No),
        ] {
            let found = configuration(rules.clone(), username.clone(), user_rules).evaluate(&token).accepts;
            assert_eq!(found, expected, "{rules} {username}");
        }
    }

    #[test]
    fn what_is_not_evaluated_is_unknown_also_where_it_is_mapped() {
        let claims = json!({"iss": "https://i", "aud": "kubernetes", "sub": "a:b"});
        let token = TokenClaims::new(claims.as_object().unwrap().clone());
        let by_claim = json!({"claim": "sub", "prefix": "runmint:"});
        let unread = r"claims.sub.matches('^\\Qa:b\\E$')";
        let mapped = json!({"expression": format!("{unread} ? 'x' : 'y'")});
        let only = json!([{"expression": "user.username == 'x'"}]);
        for (rules, username, user_rules) in [
            (json!([{"expression": unread}]), by_claim, json!([])),
            (json!([]), mapped.clone(), json!([])),
            (json!([]), mapped, only),
        ] {
            let found = configuration(rules.clone(), username.clone(), user_rules).evaluate(&token).accepts;
            assert_eq!(found, Holds::Unknown, "{rules} {username}");
        }
    }

    #[test]
    fn every_trap_has_a_name() {
        let sub = json!([{"claim": "sub", "requiredValue": "a"}]);
        let prefixed = json!({"claim": "sub", "prefix": "runmint:"});
        let codes = |one: AuthenticationConfiguration| {
            one.findings().into_iter().map(|one| one.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(configuration(json!([]), prefixed.clone(), json!([]))), ["subject_missing"]);
        assert_eq!(codes(configuration(sub.clone(), prefixed.clone(), json!([]))), [""; 0]);
        assert_eq!(
            codes(configuration(sub, json!({"claim": "sub", "prefix": ""}), json!([]))),
            ["username_without_prefix"]
        );
        assert_eq!(
            codes(configuration(json!([{"expression": "claims.sub.matches('a')"}]), prefixed, json!([]))),
            ["unanchored"]
        );
    }
}
