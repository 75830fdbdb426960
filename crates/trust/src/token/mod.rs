//! Verifies ID tokens (RFC 7515, RFC 7519, RFC 8725): those of registered issuers and those of runmint, by one set
//! of rules. The sender of a token has chosen every byte of it.
//!
//! [`UnverifiedToken::parse`] reads the form; [`UnverifiedToken::verify`] checks signature and times and gives
//! [`AuthenticClaims`]; once their audience is accepted, these are [`VerifiedClaims`].

mod algorithm;
pub mod claims;
mod key;
mod key_set;
pub mod limits;
mod parse;
mod refusal;

pub use self::algorithm::Algorithm;
pub use self::claims::{AuthenticClaims, Expectations, VerifiedClaims};
pub use self::key::{UnusableKey, VerifyingKey};
pub use self::key_set::{KeySet, KeySetError};
pub use self::parse::UnverifiedToken;
pub use self::refusal::{RefusalClass, TokenError};

#[cfg(test)]
mod tests;
