//! The effect of a policy that matches.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// In JSON `"allow"` or `"deny"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    Allow,
    Deny,
}
