//! Google's limits on workload identity pool providers.

pub(super) const MAX_SUBJECT_BYTES: usize = 127;
pub(super) const MAX_CONDITION_CHARS: usize = 4_096;
pub(super) const MAX_MAPPING_CHARS: usize = 2_048;
pub(super) const MAX_ATTRIBUTES: usize = 50;
pub(super) const MAX_AUDIENCES: usize = 10;
pub(super) const MAX_AUDIENCE_CHARS: usize = 256;
/// "The maximum size of all mapped attributes".
pub(super) const MAX_MAPPED_BYTES: usize = 8 * 1024;
