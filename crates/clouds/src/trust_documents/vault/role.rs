//! A role as it is written, or as Vault shows it.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::trust_documents::wildcard::Wildcard;

#[derive(Clone, Debug)]
pub struct VaultRole {
    pub(super) bound_audiences: Vec<String>,
    pub(super) bound_subject: Option<String>,
    pub(super) bound_claims: Map<String, Value>,
    pub(super) globs: bool,
    pub(super) user_claim: String,
    pub(super) groups_claim: Option<String>,
    pub(super) token_bound_cidrs: Vec<String>,
    /// Of the auth method's configuration, where that stands beside the role.
    pub(super) issuer: Option<String>,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum RoleError {
    #[error("it is no role of the JWT auth method: {0}")]
    Shape(String),
    #[error("`{0}` is not evaluated here")]
    Unsupported(&'static str),
}

impl VaultRole {
    /// A role, as written or as `vault read -format=json` shows it.
    pub fn parse(document: &Value) -> Result<Self, RoleError> {
        let role = document.get("data").unwrap_or(document);
        let Some(role) = role.as_object() else { return Err(RoleError::Shape("it is no object".to_owned())) };
        let text = |name: &str| {
            role.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        if text("role_type").is_some_and(|kind| kind != "jwt") {
            return Err(RoleError::Shape(
                "its role_type is not `jwt`: people log in by it, not runs".to_owned(),
            ));
        }
        if role.get("user_claim_json_pointer") == Some(&Value::Bool(true)) {
            return Err(RoleError::Unsupported("user_claim_json_pointer"));
        }
        let globs = match text("bound_claims_type").as_deref() {
            None | Some("string") => false,
            Some("glob") => true,
            Some(other) => {
                return Err(RoleError::Shape(format!("bound_claims_type is string or glob, not `{other}`")));
            }
        };
        let bound_claims = match role.get("bound_claims") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(claims)) => claims.clone(),
            Some(_) => return Err(RoleError::Shape("bound_claims is no object".to_owned())),
        };
        Ok(Self {
            bound_audiences: texts(role.get("bound_audiences")),
            bound_subject: text("bound_subject"),
            bound_claims,
            globs,
            user_claim: text("user_claim")
                .ok_or_else(|| RoleError::Shape("it has no user_claim".to_owned()))?,
            groups_claim: text("groups_claim"),
            token_bound_cidrs: texts(role.get("token_bound_cidrs")),
            issuer: text("bound_issuer").or_else(|| text("oidc_discovery_url")),
        })
    }

    pub(in crate::trust_documents) fn names_issuer(&self) -> bool {
        self.issuer.is_some()
    }

    pub fn audiences(&self) -> Vec<String> {
        self.bound_audiences.clone()
    }

    /// What subjects may look like, as written and as read.
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

/// Vault takes a list, or a text with commas.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => {
            text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect()
        }
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}
