//! Entra's limits on the number and length of federated identity credentials.

/// Per application or user-assigned identity.
pub(super) const MAX_CREDENTIALS: usize = 20;
pub(super) const MAX_CHARS: usize = 600;
pub(super) const NAME_CHARS: std::ops::RangeInclusive<usize> = 3..=120;
