//! The integration tests, in one binary. Tests of behaviour run on SQLite and on PostgreSQL
//! (`on_both_engines!`), against the real service on real sockets, with a clock that they set.

#![expect(
    clippy::needless_pass_by_value,
    reason = "a body is made with json! for the one call that sends it"
)]

mod harness;

mod access_tokens;
mod architecture;
mod audience_profiles;
mod authorization;
mod bad_input;
mod cli;
mod clients;
mod cloud_clients;
mod cloud_refusals;
mod cloud_settings;
mod clouds;
mod contract;
mod dev;
mod diagnosing;
mod discovery;
mod docs_trust;
mod exchange;
mod exchange_attacks;
mod exec;
mod foreign_issuer;
mod foreign_tokens;
mod init_and_serve;
mod key_modules;
mod keys_commands;
mod minting;
mod organizations;
mod platforms;
mod publishing;
mod readme;
mod real_rotation;
mod reference;
mod rotation;
mod rotation_model;
mod rotation_simulation;
mod runs;
mod sealing_keys;
mod secrecy;
mod signing_keys;
mod stopping;
mod tls;
mod trust_commands;
mod trust_documents;
mod upgrading;
mod upstream;
mod verifiers;
