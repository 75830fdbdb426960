//! Parses providers.

use serde_json::Value;
use thiserror::Error;

use super::limits::{MAX_CONDITION_CHARS, MAX_MAPPING_CHARS};
use crate::trust_documents::expression::{Dialect, Expression, ExpressionError};

pub(super) const SUBJECT: &str = "google.subject";

const FUNCTIONS: &[&str] = &[
    "startsWith",
    "endsWith",
    "contains",
    "matches",
    "extract",
    "split",
    "size",
    "lowerAscii",
    "upperAscii",
    "int",
    "string",
];
const MAPPING: Dialect =
    Dialect { variables: &["assertion"], functions: FUNCTIONS, max_chars: MAX_MAPPING_CHARS };
const CONDITION: Dialect = Dialect {
    variables: &["assertion", "google", "attribute"],
    functions: FUNCTIONS,
    max_chars: MAX_CONDITION_CHARS,
};

/// A workload identity pool provider for OpenID Connect.
pub struct GoogleProvider {
    pub(super) issuer: Option<String>,
    pub(super) audiences: Vec<String>,
    pub(super) mapping: Vec<(String, Expression)>,
    pub(super) condition: Option<Expression>,
}

/// Why a provider cannot be evaluated.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ProviderError {
    #[error("not a valid workload identity pool provider: {0}")]
    Shape(String),
    #[error("{0}: {1}")]
    Expression(String, ExpressionError),
}

impl GoogleProvider {
    /// Reads the output of `gcloud iam workload-identity-pools providers describe --format=json`, or an attribute
    /// mapping and an attribute condition alone.
    pub fn parse(document: &Value) -> Result<Self, ProviderError> {
        let shape = |why: &str| ProviderError::Shape(why.to_owned());
        if document.get("saml").is_some() || document.get("aws").is_some() || document.get("x509").is_some() {
            return Err(shape("not a provider for OpenID Connect"));
        }
        let oidc = document.get("oidc").unwrap_or(&Value::Null);
        let mapping = document.get("attributeMapping").and_then(Value::as_object);
        let mapping = mapping.ok_or_else(|| shape("attributeMapping is missing"))?;
        let mapping = mapping.iter().map(|(name, text)| {
            let text = text.as_str().ok_or_else(|| shape("a mapping is not a string"))?;
            let of = |error| ProviderError::Expression(format!("mapping of {name}"), error);
            Ok((name.clone(), Expression::parse(text, MAPPING).map_err(of)?))
        });
        let condition =
            document.get("attributeCondition").and_then(Value::as_str).filter(|text| !text.is_empty());
        let condition = condition.map(|text| Expression::parse(text, CONDITION)).transpose();
        let mut audiences: Vec<String> = Vec::new();
        let allowed = oidc.get("allowedAudiences").and_then(Value::as_array).into_iter().flatten();
        audiences.extend(allowed.filter_map(Value::as_str).map(str::to_owned));
        // The default audience, with and without the scheme.
        if let (true, Some(name)) = (audiences.is_empty(), document.get("name").and_then(Value::as_str)) {
            audiences =
                vec![format!("https://iam.googleapis.com/{name}"), format!("//iam.googleapis.com/{name}")];
        }
        Ok(Self {
            issuer: oidc.get("issuerUri").and_then(Value::as_str).map(str::to_owned),
            audiences,
            mapping: mapping.collect::<Result<_, ProviderError>>()?,
            condition: condition
                .map_err(|error| ProviderError::Expression("attributeCondition".to_owned(), error))?,
        })
    }

    pub(in crate::trust_documents) fn names_issuer(&self) -> bool {
        self.issuer.is_some()
    }

    /// The allowed audiences, or the defaults; empty if the provider has no name.
    pub fn audiences(&self) -> Vec<String> {
        self.audiences.clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::resource::resource;
    use super::*;

    #[test]
    fn the_default_audience_is_the_provider() {
        let name = "projects/1/locations/global/workloadIdentityPools/p/providers/q";
        let found = GoogleProvider::parse(
            &json!({"name": name, "attributeMapping": {"google.subject": "assertion.sub"}}),
        )
        .unwrap();
        assert_eq!(found.audiences()[0], format!("https://iam.googleapis.com/{name}"));
        assert_eq!(found.audiences()[1], resource("1", "p", "q"));
    }
}
