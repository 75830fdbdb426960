//! Issuers whose tokens an organization accepts in exchange, each with its trust policies.

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    pub id: Uuid,
    pub organization_id: Uuid,
    pub name: String,
    pub url: String,
    /// SHA-256 of TLS certificates, in hexadecimal.
    pub thumbprints: Vec<String>,
    /// A key set that is never fetched, in JSON.
    pub jwks: Option<Value>,
    /// Bounds what is exchanged for a token of this issuer.
    pub max_expiration_seconds: i64,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub policy: PolicyRecord,
}

#[derive(Clone, Debug)]
pub struct PolicyRecord {
    pub id: Uuid,
    pub version: i64,
    /// A JSON array, as `trust::policy` reads it.
    pub policies: Value,
    pub modified_at: Timestamp,
}
