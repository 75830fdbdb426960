//! Sealing: the database holds private keys only under AES-256-GCM, bound to their record. Public halves
//! carry an attestation under the same key, so that an attacker who can write to the database cannot have a
//! key of their own published.

mod derived;
mod error;
mod file;
mod key;
mod keys;
mod purpose;

pub use self::derived::Derived;
pub use self::error::SealingError;
pub use self::key::SealingKey;
pub use self::keys::SealingKeys;
pub use self::purpose::{Purpose, sealed_under};

#[cfg(test)]
mod tests;
