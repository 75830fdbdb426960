//! Verifiers that hold an uploaded copy of the key set.

use jiff::Timestamp;
use uuid::Uuid;

use crate::signing::keyring::IssuerId;

pub struct SnapshotVerifier {
    pub id: Uuid,
    pub issuer: IssuerId,
    pub name: String,
    pub created_at: Timestamp,
    /// The keys that it is acknowledged to have.
    pub has: Vec<String>,
}
