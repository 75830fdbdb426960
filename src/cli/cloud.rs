//! What `runmint exec` and `runmint credentials` have in common: which clouds, as which run, over which wires.

pub(super) mod exchanges;
pub(super) mod flags;
pub(super) mod masking;
pub(super) mod run_names;
pub(super) mod tokens;
