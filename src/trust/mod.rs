//! Whom we believe, and how far: tokens are unverified until this room says otherwise, and policies say what
//! a verified one may become.

pub mod claim_path;
pub mod lint;
pub mod pattern;
pub mod policy;
pub mod preset;
pub mod token;
