//! A foreign issuer on loopback, with its own keys and any answer that a test sets.

mod keys;
mod names;
mod reply;
mod server;

pub(crate) use keys::{ForeignKey, encode, key_set, signing_input};
pub(crate) use names::Names;
pub(crate) use reply::{Gate, Reply};
pub(crate) use server::{ForeignIssuer, Tls};
