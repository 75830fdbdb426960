//! Parses roles.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::trust_documents::wildcard::Wildcard;

/// A role of the JWT auth method.
#[derive(Clone, Debug)]
pub struct VaultRole {
    pub(super) bound_audiences: Vec<String>,
    pub(super) bound_subject: Option<String>,
    pub(super) bound_claims: Map<String, Value>,
    pub(super) globs: bool,
    pub(super) user_claim: String,
    pub(super) groups_claim: Option<String>,
    pub(super) token_bound_cidrs: Vec<String>,
    /// From the auth method's configuration, if the document includes it.
    pub(super) issuer: Option<String>,
}

/// Why a role cannot be evaluated.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RoleError {
    #[error("not a valid role of the JWT auth method: {0}")]
    Shape(String),
    #[error("`{0}` is not supported")]
    Unsupported(&'static str),
}

impl VaultRole {
    /// Reads a role, or the output of `vault read -format=json`.
    pub fn parse(document: &Value) -> Result<Self, RoleError> {
        let role = document.get("data").unwrap_or(document);
        let Some(role) = role.as_object() else { return Err(RoleError::Shape("not an object".to_owned())) };
        let text = |name: &str| {
            role.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        if text("role_type").is_some_and(|kind| kind != "jwt") {
            return Err(RoleError::Shape(
                "role_type is not `jwt`: such a role is for interactive logins".to_owned(),
            ));
        }
        if role.get("user_claim_json_pointer") == Some(&Value::Bool(true)) {
            return Err(RoleError::Unsupported("user_claim_json_pointer"));
        }
        let globs = match text("bound_claims_type").as_deref() {
            None | Some("string") => false,
            Some("glob") => true,
            Some(other) => {
                return Err(RoleError::Shape(format!(
                    "bound_claims_type must be string or glob, not `{other}`"
                )));
            }
        };
        let bound_claims = match role.get("bound_claims") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(claims)) => claims.clone(),
            Some(_) => return Err(RoleError::Shape("bound_claims is not an object".to_owned())),
        };
        Ok(Self {
            bound_audiences: texts(role.get("bound_audiences")),
            bound_subject: text("bound_subject"),
            bound_claims,
            globs,
            user_claim: text("user_claim")
                .ok_or_else(|| RoleError::Shape("user_claim is missing".to_owned()))?,
            groups_claim: text("groups_claim"),
            token_bound_cidrs: texts(role.get("token_bound_cidrs")),
            issuer: text("bound_issuer").or_else(|| text("oidc_discovery_url")),
        })
    }

    pub(in crate::trust_documents) fn names_issuer(&self) -> bool {
        self.issuer.is_some()
    }

    /// `bound_audiences`
    pub fn audiences(&self) -> Vec<String> {
        self.bound_audiences.clone()
    }

    /// The patterns for subjects, as text and parsed.
    pub(in crate::trust_documents) fn subject_patterns(&self) -> Vec<(String, Wildcard)> {
        let subjects = self.bound_claims.get("sub").filter(|_| self.globs).map(several).unwrap_or_default();
        let texts = subjects.into_iter().filter_map(Value::as_str);
        texts.map(|text| (text.to_owned(), Wildcard::with_stars(text))).collect()
    }
}

pub(super) fn several(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(several) => several.iter().collect(),
        one => vec![one],
    }
}

/// Vault accepts a list, or a string with commas.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => {
            text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect()
        }
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}
