//! The keys of one issuer (RFC 7517 §5).

use runmint_json::object_of;
use serde_json::Value;
use thiserror::Error;

use super::algorithm::Algorithm;
use super::key::{UnusableKey, VerifyingKey};
use super::limits::MAX_KEYS;
use super::refusal::TokenError;

/// The keys that can verify tokens, and why the others cannot.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    unusable: Vec<UnusableKey>,
}

/// Why a document is not a key set that is accepted.
#[derive(Debug, Error)]
pub enum KeySetError {
    #[error("the key set is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the key set has no array `keys`")]
    NoKeys,
    /// Refused where an owner gives the set, who can correct it. In an issuer's set it is an unusable key.
    #[error("a key in the key set is not an object")]
    NotAnObject,
    #[error("the key set has {0} keys; at most {MAX_KEYS} are accepted")]
    TooMany(usize),
}

impl KeySet {
    /// Leaves out keys that cannot be used (RFC 7517 §5). The set may end up empty: an issuer that withdraws its
    /// last key means it, and must not be mistaken for one that is out of order.
    ///
    /// Fails if `json` is not an object with an array `keys` of at most [`MAX_KEYS`] elements, or has a duplicate
    /// member anywhere.
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

    /// In the order of the document.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// Why each of the keys that were left out cannot be used.
    pub fn unusable(&self) -> &[UnusableKey] {
        &self.unusable
    }

    /// The one key that a header names. `kid` is compared and nothing else: it is never a path, a query or an
    /// address (RFC 8725 §3.10). Without it, exactly one key must fit the algorithm.
    ///
    /// Fails with [`TokenError::UnknownKey`], [`TokenError::NoKeyId`], [`TokenError::AmbiguousKey`] or
    /// [`TokenError::KeyAlgorithm`].
    pub fn key_for(&self, key_id: Option<&str>, algorithm: Algorithm) -> Result<&VerifyingKey, TokenError> {
        let named = |key: &&VerifyingKey| key_id.is_none() || key.key_id() == key_id;
        let candidates: Vec<_> = self.keys.iter().filter(named).collect();
        let mut fitting = candidates.iter().filter(|key| key.fits(algorithm));
        match (fitting.next(), fitting.count(), key_id) {
            (Some(key), 0, _) => Ok(key),
            (Some(_), others, None) => Err(TokenError::NoKeyId { fitting: others + 1 }),
            (Some(_), _, Some(id)) => Err(TokenError::AmbiguousKey(id.to_owned())),
            (None, _, Some(id)) if candidates.is_empty() => Err(TokenError::UnknownKey(id.to_owned())),
            (None, _, Some(id)) => Err(TokenError::KeyAlgorithm { key_id: id.to_owned(), algorithm }),
            (None, _, None) => Err(TokenError::NoKeyId { fitting: 0 }),
        }
    }
}
