//! Whom we believe, and how far: tokens are unverified until this room says otherwise, and policies say what
//! a verified one may become.
//!
//! `token` reads tokens of our own. `foreign_token` reads those of issuers that somebody registered, where
//! whoever sends the token has chosen every byte of it.

pub mod algorithm;
pub mod claim_path;
pub mod foreign_claims;
pub mod foreign_refusal;
pub mod foreign_token;
mod json_object;
pub mod key_set;
pub mod lint;
pub mod pattern;
pub mod policy;
pub mod preset;
pub mod token;
pub mod verifying_key;

pub use json_object::object_of;
