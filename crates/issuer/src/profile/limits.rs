//! Bounds on profiles.

/// The largest number of profiles of an organization.
pub const MAX_PROFILES: usize = 50;
pub(super) const MAX_TEMPLATE_BYTES: usize = 512;
/// AWS accepts fifty session tags.
pub(super) const MAX_TAGS: usize = 50;
pub(super) const MIN_SUBJECT_LIMIT: usize = 32;
