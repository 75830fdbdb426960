//! The effect of a policy that matches.

use serde::{Deserialize, Serialize};

/// In JSON `"allow"` or `"deny"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    Allow,
    Deny,
}
