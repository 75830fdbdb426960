//! Bounds of policies, and so of the cost of an exchange.

/// Policies of one issuer.
pub const MAX_POLICIES: usize = 100;
/// Rules of one policy.
pub const MAX_RULES: usize = 64;
/// Bytes of the name of a team, user, runner or role.
pub const MAX_NAME_BYTES: usize = 100;
/// Bytes of all patterns, paths and names of one issuer's policies. The most that an exchange costs grows with
/// this times the size of a token.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Attributes of a run policy: as many as a service has.
pub const MAX_ATTRIBUTES: usize = 32;
/// Bytes of the name of a service or attribute.
pub(super) const MAX_WORD_BYTES: usize = 63;
/// Bytes of a value or prefix, as for runs that an orchestrator starts.
pub(super) const MAX_VALUE_BYTES: usize = 255;
pub(super) const MAX_CHOICES: usize = 64;
/// Audiences of a run policy: as many as a run may name.
pub const MAX_AUDIENCES: usize = 16;
pub(super) const MAX_AUDIENCE_BYTES: usize = 256;
