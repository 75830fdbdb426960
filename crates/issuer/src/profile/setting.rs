//! What profiles are checked against.

use jiff::SignedDuration;

use crate::service::Services;

/// What profiles are checked against when they are saved.
#[derive(Clone, Copy)]
pub struct Setting<'s> {
    pub services: &'s Services,
    /// Whether no other organization's tokens have the same `iss`.
    pub own_issuer: bool,
    pub max_lifetime: SignedDuration,
    /// Audiences of Microsoft Entra.
    pub rs256_only: &'s [&'s str],
}
