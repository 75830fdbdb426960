//! ID tokens as they are recorded.

use jiff::Timestamp;
use uuid::Uuid;

use crate::issuer::service::Attributes;

/// An ID token as it is recorded, without the token itself.
pub struct SignedToken {
    pub jti: Uuid,
    pub run_id: Uuid,
    pub organization: String,
    pub audience: String,
    pub subject: String,
    pub minted_at: Timestamp,
    pub expires_at: Timestamp,
}

/// The tokens of one run for one audience whose subjects one template made.
pub struct MintedFormat {
    pub run_id: Uuid,
    pub service: String,
    pub attributes: Attributes,
    pub audience: String,
    /// `None` for the service's own.
    pub format: Option<String>,
    pub tokens: i64,
    pub last_minted_at: Timestamp,
}
