//! `GET /api/runs/{id}/id-token`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct IdToken {
    /// Always 1; the protocol of GitHub Actions has the member.
    pub count: u32,
    /// The signed token, a JWT in compact form.
    pub value: String,
}
