//! Parses authentication configurations.

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::trust_documents::expression::{Dialect, Expression, ExpressionError};

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

/// The JWT authenticators of an API server.
pub struct AuthenticationConfiguration(pub(super) Vec<Authenticator>);

pub(super) struct Authenticator {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) claim_rules: Vec<ClaimRule>,
    pub(super) username: Mapped,
    pub(super) others: Vec<(String, Mapped)>,
    pub(super) user_rules: Vec<Expression>,
}

pub(super) enum ClaimRule {
    Required { claim: String, value: String },
    Expression(Expression),
}

/// The source of a part of the user.
pub(super) enum Mapped {
    Claim { claim: String, prefix: String },
    Expression(Expression),
}

/// Why a configuration cannot be evaluated.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigurationError {
    #[error("not a valid AuthenticationConfiguration: {0}")]
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
    /// Reads the document. Errors if it has no JWT authenticator, an unknown member or an invalid expression.
    pub fn parse(document: &Value) -> Result<Self, ConfigurationError> {
        let shape = |why: String| ConfigurationError::Shape(why);
        let written: Written =
            serde_json::from_value(document.clone()).map_err(|error| shape(error.to_string()))?;
        if written.jwt.is_empty() {
            return Err(shape("it has no `jwt` authenticator".to_owned()));
        }
        written.jwt.into_iter().map(Authenticator::parse).collect::<Result<_, _>>().map(Self)
    }

    /// The audiences of all authenticators.
    pub fn audiences(&self) -> Vec<String> {
        self.0.iter().flat_map(|one| one.audiences.clone()).collect()
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
                    "a claimValidationRule needs either a claim or an expression".to_owned(),
                )),
            });
        let user_rules = written.user_validation_rules.into_iter().map(|rule| {
            let text = rule.expression.ok_or_else(|| {
                ConfigurationError::Shape("a userValidationRule needs an expression".to_owned())
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
}

impl WrittenMapping {
    fn parse(self) -> Result<Mapped, ConfigurationError> {
        match (self.claim.filter(|claim| !claim.is_empty()), self.expression) {
            (Some(claim), None) => {
                let prefix = self.prefix.ok_or_else(|| {
                    ConfigurationError::Shape(format!(
                        "the mapping of claim `{claim}` needs a prefix, which may be empty"
                    ))
                })?;
                Ok(Mapped::Claim { claim, prefix })
            }
            (None, Some(text)) => parsed("claimMappings", &text, CLAIMS).map(Mapped::Expression),
            _ => Err(ConfigurationError::Shape("a mapping needs either a claim or an expression".to_owned())),
        }
    }
}

fn parsed(what: &'static str, text: &str, dialect: Dialect) -> Result<Expression, ConfigurationError> {
    Expression::parse(text, dialect).map_err(|error| ConfigurationError::Expression(what, error))
}
