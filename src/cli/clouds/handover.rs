//! Shared by `runmint exec` and `runmint credentials`: cloud settings, the run's tokens and their exchange.

pub(in crate::cli) mod exchanges;
pub(in crate::cli) mod flags;
pub(in crate::cli) mod jitter;
pub(in crate::cli) mod masking;
pub(in crate::cli) mod run_names;
pub(in crate::cli) mod tokens;
