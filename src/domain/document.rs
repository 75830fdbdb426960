//! Documents of an organization that are versioned: audience profiles and cloud settings.

use jiff::Timestamp;
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    AudienceProfiles,
    CloudSettings,
}

/// A version of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub version: i64,
    pub content: Value,
    pub created_at: Timestamp,
}
