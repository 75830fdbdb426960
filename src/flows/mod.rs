//! Business transactions, one per file. No HTTP in here: http and cli translate.

pub mod abandon_keys;
pub mod access_tokens;
pub mod audience_profiles;
pub mod authorize;
pub mod cloud_settings;
pub mod end_run;
pub mod exchange_token;
pub mod exchanges;
pub mod initialize;
pub mod key_timeline;
pub mod load_keys;
pub mod make_key;
pub mod mint_id_token;
pub mod organizations;
pub mod policies;
pub mod principals;
pub mod publish_copies;
pub mod readiness;
pub mod refresh_keys;
pub mod reseal_keys;
pub mod revoke_key;
pub mod rotate_keys;
pub mod runs;
pub mod snapshot_verifiers;
pub mod start_run;
pub mod trusted_issuers;

/// Why the database could not answer: the part of each flow's errors that a caller may try again.
pub use crate::store::StoreError;
