//! The claims of a token whose signature and times are valid.

use serde_json::{Map, Value};

/// Claims as a relying party reads them.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenClaims(Map<String, Value>);

impl TokenClaims {
    /// Takes the claims of a verified token.
    pub fn new(claims: Map<String, Value>) -> Self {
        Self(claims)
    }

    /// Every claim.
    pub fn all(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The claim, if present.
    pub fn find(&self, claim: &str) -> Option<&Value> {
        self.0.get(claim)
    }

    /// The claim, if it is a string.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.find(claim).and_then(Value::as_str)
    }

    /// `iss` (RFC 7519 §4.1.1)
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// `sub` (RFC 7519 §4.1.2)
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// `aud`, which is one string or an array (RFC 7519 §4.1.3)
    pub fn audiences(&self) -> Vec<&str> {
        match self.find("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The same claims with another value for one of them.
    pub fn with(&self, claim: &str, value: impl Into<Value>) -> Self {
        let mut claims = self.0.clone();
        claims.insert(claim.to_owned(), value.into());
        Self(claims)
    }
}
