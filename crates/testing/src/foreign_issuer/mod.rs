//! A foreign issuer on loopback, with its own keys and any answer that a test sets.

mod keys;
mod names;
mod reply;
mod server;

pub use keys::{ForeignKey, encode, key_set, signing_input};
pub use names::Names;
pub use reply::{Gate, Reply};
pub use server::{ForeignIssuer, Tls};
