//! Parses trust policies.

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::operator::{Operator, OperatorError};
use super::value;
use crate::trust_documents::wildcard::Wildcard;

/// A role's trust policy (IAM User Guide, "Grammar of the IAM JSON policy language").
#[derive(Clone, Debug)]
pub struct TrustPolicy {
    pub(super) statements: Vec<Statement>,
    /// Only version 2012-10-17 has variables such as `${aws:…}`.
    pub(super) has_variables: bool,
    pub(super) chars: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) name: String,
    pub(super) allows: bool,
    pub(super) federated: Vec<String>,
    pub(super) actions: Vec<String>,
    pub(super) conditions: Vec<KeyCondition>,
}

/// One key of one operator, with the values of which one must match.
#[derive(Clone, Debug)]
pub(super) struct KeyCondition {
    pub(super) operator: Operator,
    pub(super) key: String,
    pub(super) values: Vec<String>,
}

/// Why a policy cannot be evaluated.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PolicyError {
    #[error("not a valid trust policy: {0}")]
    Shape(String),
    #[error("statement {0} has `{1}`, which is not supported")]
    Unsupported(String, &'static str),
    #[error("statement {0}: {1}")]
    Operator(String, OperatorError),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct WrittenPolicy {
    version: Option<String>,
    #[serde(rename = "Id")]
    _id: Option<String>,
    statement: OneOrMore<WrittenStatement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct WrittenStatement {
    sid: Option<String>,
    effect: String,
    principal: Option<Value>,
    not_principal: Option<Value>,
    action: Option<OneOrMore<String>>,
    not_action: Option<Value>,
    resource: Option<Value>,
    #[serde(default)]
    condition: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

impl<T> OneOrMore<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more,
        }
    }
}

impl TrustPolicy {
    /// Reads the policy document, without the role around it.
    pub fn parse(document: &Value) -> Result<Self, PolicyError> {
        let shape = |error: serde_json::Error| PolicyError::Shape(error.to_string());
        let written: WrittenPolicy = serde_json::from_value(document.clone()).map_err(shape)?;
        let statements = written.statement.into_vec().into_iter().enumerate();
        Ok(Self {
            statements: statements
                .map(|(index, one)| Statement::parse(index, one))
                .collect::<Result<_, _>>()?,
            has_variables: written.version.as_deref() == Some("2012-10-17"),
            chars: document.to_string().chars().count(),
        })
    }

    /// The audiences that its conditions name.
    pub fn audiences(&self) -> Vec<String> {
        let conditions = self.statements.iter().filter(|one| one.allows).flat_map(|one| &one.conditions);
        let of_audience = conditions.filter(|one| one.key.ends_with(":aud") && !one.operator.is_negated());
        of_audience.flat_map(|one| one.values.clone()).filter(|value| !value.contains('*')).collect()
    }

    /// The patterns for subjects, as text and parsed.
    pub(in crate::trust_documents) fn subject_patterns(&self) -> Vec<(String, Wildcard)> {
        let conditions = self.statements.iter().filter(|one| one.allows).flat_map(|one| &one.conditions);
        let of_subject = conditions.filter(|one| {
            one.key.to_ascii_lowercase().ends_with(":sub")
                && one.operator.takes_wildcards()
                && !one.operator.is_negated()
        });
        let read = |text: &String| Some((text.clone(), value::pattern(text, true, self.has_variables)?));
        of_subject.flat_map(|one| &one.values).filter_map(read).collect()
    }
}

impl Statement {
    fn parse(index: usize, written: WrittenStatement) -> Result<Self, PolicyError> {
        let name = written.sid.unwrap_or_else(|| format!("Statement[{index}]"));
        let unsupported = |what| Err(PolicyError::Unsupported(name.clone(), what));
        if written.not_principal.is_some() {
            return unsupported("NotPrincipal");
        }
        if written.not_action.is_some() {
            return unsupported("NotAction");
        }
        if written.resource.is_some() {
            return unsupported("Resource");
        }
        let allows = match written.effect.as_str() {
            "Allow" => true,
            "Deny" => false,
            other => return Err(PolicyError::Shape(format!("{name} has the Effect `{other}`"))),
        };
        let actions = written.action.ok_or_else(|| PolicyError::Shape(format!("{name} has no Action")))?;
        let federated = federated(&name, written.principal.as_ref())?;
        let mut conditions = Vec::new();
        for (operator, keys) in written.condition {
            let operator =
                Operator::parse(&operator).map_err(|error| PolicyError::Operator(name.clone(), error))?;
            let Value::Object(keys) = keys else {
                return Err(PolicyError::Shape(format!("{name} has a condition without keys")));
            };
            for (key, values) in keys {
                let values = texts(&values).ok_or_else(|| {
                    PolicyError::Shape(format!("{name}: the values of `{key}` are not strings"))
                })?;
                conditions.push(KeyCondition { operator, key, values });
            }
        }
        Ok(Self { name, allows, federated, actions: actions.into_vec(), conditions })
    }
}

/// The identity providers in `Principal`; `*` and `{"AWS": "*"}` mean any principal (IAM User Guide, "AWS JSON policy
/// elements: Principal"). Services and accounts have no tokens.
fn federated(name: &str, principal: Option<&Value>) -> Result<Vec<String>, PolicyError> {
    match principal {
        Some(Value::String(everybody)) if everybody == "*" => Ok(vec!["*".to_owned()]),
        Some(Value::Object(kinds)) => {
            let named = |kind: &str| {
                let values = kinds.get(kind).map_or(Some(Vec::new()), texts);
                values.ok_or_else(|| PolicyError::Shape(format!("{name}: {kind} is not a string")))
            };
            let mut found = named("Federated")?;
            found.extend(named("AWS")?.into_iter().filter(|one| one == "*"));
            Ok(found)
        }
        _ => Err(PolicyError::Shape(format!("{name} has no Principal"))),
    }
}

/// One or more values; IAM reads booleans and numbers as strings.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Bool(_) | Value::Number(_) => Some(vec![value.to_string()]),
        Value::Array(several) => several.iter().map(|one| texts(one)?.pop()).collect(),
        Value::Null | Value::Object(_) => None,
    }
}
