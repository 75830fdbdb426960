//! The integration tests: behaviour on SQLite and on PostgreSQL (`on_both_engines!`), against the real service on
//! real sockets, with a clock that they set. `tests/world` has the tests with third-party clients.

#![expect(
    clippy::needless_pass_by_value,
    reason = "a body is made with json! for the one call that sends it"
)]
#![expect(clippy::too_many_lines, reason = "tables of cases and whole answers are one list each")]

use runmint_testing::{clouds, foreign_issuer, harness};

mod access_tokens;
mod architecture;
mod audience_profiles;
mod authorization;
mod bad_input;
mod cli;
mod cloud_refusals;
mod cloud_settings;
mod contract;
mod dev;
mod diagnosing;
mod discovery;
mod docs_trust;
mod exchange;
mod exchange_attacks;
mod exec;
mod foreign_tokens;
mod guide;
mod init_and_serve;
mod keys_commands;
mod measures;
mod minting;
mod organizations;
mod publishing;
mod readme;
mod reference;
mod rotation;
mod rotation_model;
mod rotation_simulation;
mod runs;
mod schema;
mod sealing_keys;
mod secrecy;
mod signing_keys;
mod stopping;
mod tls;
mod trust_commands;
mod trust_documents;
mod upgrading;
mod upstream;
