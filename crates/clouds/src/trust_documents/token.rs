//! What a relying party reads of a token whose signature and times it found to be right.

use serde_json::{Map, Value};

#[derive(Clone, Debug, PartialEq)]
pub struct TokenClaims(Map<String, Value>);

impl TokenClaims {
    pub fn new(claims: Map<String, Value>) -> Self {
        Self(claims)
    }

    pub fn all(&self) -> &Map<String, Value> {
        &self.0
    }

    pub fn find(&self, claim: &str) -> Option<&Value> {
        self.0.get(claim)
    }

    pub fn text(&self, claim: &str) -> Option<&str> {
        self.find(claim).and_then(Value::as_str)
    }

    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// `aud` is one text or several (RFC 7519 §4.1.3).
    pub fn audiences(&self) -> Vec<&str> {
        match self.find("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The same token, saying something else in one claim.
    pub fn with(&self, claim: &str, value: impl Into<Value>) -> Self {
        let mut claims = self.0.clone();
        claims.insert(claim.to_owned(), value.into());
        Self(claims)
    }
}
