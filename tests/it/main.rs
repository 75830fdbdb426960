//! The integration tests, one binary. Tests of behaviour run on SQLite and on PostgreSQL
//! (`on_both_engines!`), against the real service on real sockets, with a clock that they set.

mod harness;

mod access_tokens;
mod architecture;
mod authorization;
mod bad_input;
mod clients;
mod contract;
mod discovery;
mod minting;
mod organizations;
mod runs;
mod signing_keys;
