//! Whom we believe, and how far: tokens are unverified until this room says otherwise.

pub mod token;
