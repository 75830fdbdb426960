//! The documents below an issuer's URL.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use crate::issuer::discovery::Discovery;

/// A key set (RFC 7517 §5).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JwkSet {
    pub keys: Vec<Map<String, Value>>,
}
