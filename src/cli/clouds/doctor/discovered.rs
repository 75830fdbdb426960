//! What discovery found.

use serde_json::Value;

/// A document that was found, and where.
pub(super) struct Discovered {
    pub(super) issuer: String,
    /// The server's base URL, below which its API lies.
    pub(super) base: String,
    pub(super) document: Value,
}
