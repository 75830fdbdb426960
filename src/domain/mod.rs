//! The nouns that every room above shares: plain data and its pure rules, without SQL, HTTP or text for a terminal.

pub mod access_token;
pub mod document;
pub mod exchange;
pub mod id_token;
pub mod organization;
pub mod page;
pub mod principal;
pub mod replica;
pub mod run;
pub mod signing_key;
pub mod snapshot_verifier;
pub mod static_copy;
pub mod trusted_issuer;
