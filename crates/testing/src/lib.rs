//! What several test binaries stand on: a running service, an issuer and clouds that are played, and places to
//! publish to.

pub mod clouds;
pub mod foreign_issuer;
pub mod harness;
pub mod places;
