//! Whose tokens are accepted, and what they may become: a token is unverified until [`token`] says otherwise, and
//! [`policy`] decides what a verified one may become.

pub mod claim_path;
pub mod lint;
pub mod pattern;
pub mod policy;
pub mod preset;
pub mod token;
