//! What `runmint exec` and `runmint credentials` have in common: which clouds, as which run, over which wires.

pub(in crate::cli) mod exchanges;
pub(in crate::cli) mod flags;
pub(in crate::cli) mod jitter;
pub(in crate::cli) mod masking;
pub(in crate::cli) mod run_names;
pub(in crate::cli) mod tokens;
