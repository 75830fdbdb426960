//! The tests with clients, verifiers, emulators and modules that nobody here wrote, and with processes that die:
//! `scripts/install-tools` and `scripts/install-clients` install what they need.

#![expect(
    clippy::needless_pass_by_value,
    reason = "a body is made with json! for the one call that sends it"
)]

use runmint_testing::{clouds, foreign_issuer, harness};

mod clients;
mod cloud_clients;
mod key_modules;
mod platforms;
mod publishing;
mod real_rotation;
mod verifiers;
