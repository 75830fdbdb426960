//! The requests and answers of the HTTP API as types, one file for each resource. The server writes with them and its
//! clients read with them.
//!
//! The order of members is the order on the wire. A request refuses unknown members, so that a typing error is noticed.
//! An answer is read without them, so that a client understands newer servers, too. Types that hold a secret have no
//! `Debug`.

pub mod access_tokens;
pub mod audience_profiles;
pub mod cloud_settings;
pub mod discovery;
pub mod health;
pub mod id_token;
pub mod keys;
mod newer;
pub mod oauth;
pub mod organizations;
pub mod page;
pub mod policies;
pub mod principals;
pub mod problem;
pub mod runs;
pub mod snapshot_verifiers;
pub mod trusted_issuers;
pub mod user;
mod word;

pub use self::newer::OrNewer;
pub use self::word::Word;

#[cfg(test)]
mod tests;
