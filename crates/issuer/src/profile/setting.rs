//! The configuration against which profiles are checked.

use jiff::SignedDuration;

use crate::service::Services;

/// The configuration against which profiles are checked when they are saved.
#[derive(Clone, Copy)]
pub struct Setting<'s> {
    pub services: &'s Services,
    /// Whether the organization has an issuer of its own.
    pub own_issuer: bool,
    pub max_lifetime: SignedDuration,
    /// The audiences of Microsoft Entra, which accepts only RS256.
    pub rs256_only: &'s [&'s str],
}
