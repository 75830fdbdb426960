//! `/api/snapshot-verifiers`

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// `POST /api/snapshot-verifiers`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSnapshotVerifier {
    pub name: String,
    /// Whose own issuer it trusts; `None` for the shared one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
}

/// `POST /api/snapshot-verifiers/{id}/acknowledge`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeKeys {
    /// The keys of the key set that was uploaded.
    pub kids: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotVerifier {
    pub id: Uuid,
    pub name: String,
    /// `None` when that issuer has no published key any more.
    pub issuer: Option<String>,
    pub created_at: Timestamp,
    /// The keys that it is acknowledged to have.
    pub has: Vec<String>,
}

/// `GET /api/snapshot-verifiers`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotVerifiers {
    pub snapshot_verifiers: Vec<SnapshotVerifier>,
}
