//! How much policies may have. What an exchange costs at most follows from these.

/// Policies of one issuer.
pub const MAX_POLICIES: usize = 100;
pub const MAX_RULES: usize = 64;
/// Of a team, a user, a runner or a role.
pub const MAX_NAME_BYTES: usize = 100;
/// All patterns, paths and names of one issuer's policies together. What an exchange costs at most is this
/// times the size of a token.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
/// As many as a service has.
pub const MAX_ATTRIBUTES: usize = 32;
/// Of names of services and attributes.
pub(super) const MAX_WORD_BYTES: usize = 63;
/// Of values and prefixes, as for runs that are started otherwise.
pub(super) const MAX_VALUE_BYTES: usize = 255;
pub(super) const MAX_CHOICES: usize = 64;
/// As many as a run may name (`flows::start_run`).
pub const MAX_AUDIENCES: usize = 16;
pub(super) const MAX_AUDIENCE_BYTES: usize = 256;
