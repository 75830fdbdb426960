//! Token exchanges as they are recorded.

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

/// An exchange that policies decided.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub id: Uuid,
    pub issuer_id: Uuid,
    pub at: Timestamp,
    /// The request, as `trust::policy` reads it.
    pub asked: Value,
    /// The verified claims; never the token.
    pub claims: Map<String, Value>,
    pub outcome: Outcome,
    pub policy_version: i64,
    /// The caller's network address.
    pub caller: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Allowed,
    Denied,
    NoMatch,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::NoMatch => "no_match",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Allowed, Self::Denied, Self::NoMatch].into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// An exchange, and the access token that came of it.
pub struct Exchanged {
    pub exchange: Exchange,
    pub access_token_id: Option<Uuid>,
}
