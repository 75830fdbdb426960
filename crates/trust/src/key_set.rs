//! The keys of one issuer (RFC 7517 §5).

use serde_json::Value;
use thiserror::Error;

use crate::algorithm::Algorithm;
use crate::foreign_refusal::ForeignTokenError;
use crate::object_of;
use crate::verifying_key::{UnusableKey, VerifyingKey};

/// Entra reads the first hundred, AWS takes two hundred, nobody needs more.
pub const MAX_KEYS: usize = 100;

/// The keys that can verify something, and how it came that others cannot.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    unusable: Vec<UnusableKey>,
}

#[derive(Debug, Error)]
pub enum KeySetError {
    #[error("the key set is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the key set has no array `keys`")]
    NoKeys,
    /// From a person, who can correct it. From an issuer it is a key that cannot be used.
    #[error("a key in the key set is no object")]
    NotAnObject,
    #[error("the key set has {0} keys; at most {MAX_KEYS} are read")]
    TooMany(usize),
}

impl KeySet {
    /// Keys that cannot be used are left out, as RFC 7517 §5 asks. None at all may be left: an issuer that
    /// withdraws its last key means it, and must not be mistaken for one that is out of order.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let set = object_of(json)?;
        let Some(Value::Array(jwks)) = set.get("keys") else { return Err(KeySetError::NoKeys) };
        if jwks.len() > MAX_KEYS {
            return Err(KeySetError::TooMany(jwks.len()));
        }
        let mut read = Self::default();
        for jwk in jwks {
            match VerifyingKey::from_jwk(jwk) {
                Ok(key) => read.keys.push(key),
                Err(why) => read.unusable.push(why),
            }
        }
        Ok(read)
    }

    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    pub fn unusable(&self) -> &[UnusableKey] {
        &self.unusable
    }

    /// The one key that a header names. `kid` is compared and nothing else: it is no path, no query and no
    /// address (RFC 8725 §3.10). Without it, the set must leave no choice.
    pub fn key_for(
        &self,
        key_id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&VerifyingKey, ForeignTokenError> {
        let named = |key: &&VerifyingKey| key_id.is_none() || key.key_id() == key_id;
        let candidates: Vec<_> = self.keys.iter().filter(named).collect();
        let mut fitting = candidates.iter().filter(|key| key.fits(algorithm));
        match (fitting.next(), fitting.count(), key_id) {
            (Some(key), 0, _) => Ok(key),
            (Some(_), others, None) => Err(ForeignTokenError::NoKeyId { fitting: others + 1 }),
            (Some(_), _, Some(id)) => Err(ForeignTokenError::AmbiguousKey(id.to_owned())),
            (None, _, Some(id)) if candidates.is_empty() => Err(ForeignTokenError::UnknownKey(id.to_owned())),
            (None, _, Some(id)) => Err(ForeignTokenError::KeyAlgorithm { key_id: id.to_owned(), algorithm }),
            (None, _, None) => Err(ForeignTokenError::NoKeyId { fitting: 0 }),
        }
    }
}
