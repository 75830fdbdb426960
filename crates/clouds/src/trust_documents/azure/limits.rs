//! How many federated identity credentials Entra takes, and how long their parts may be.

/// For each application or user-assigned identity.
pub(super) const MAX_CREDENTIALS: usize = 20;
pub(super) const MAX_CHARS: usize = 600;
pub(super) const NAME_CHARS: std::ops::RangeInclusive<usize> = 3..=120;
