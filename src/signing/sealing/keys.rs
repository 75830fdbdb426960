//! The sealing keys of one process.

use zeroize::Zeroizing;

use super::error::SealingError;
use super::key::SealingKey;
use super::purpose::{Purpose, sealed_under};

/// The sealing keys of this process: the first seals, every one opens.
pub struct SealingKeys {
    keys: Vec<SealingKey>,
}

impl SealingKeys {
    /// `primary` seals; `others` only open what they sealed earlier.
    pub fn new(primary: SealingKey, others: Vec<SealingKey>) -> Self {
        let mut keys = vec![primary];
        keys.extend(others);
        Self { keys }
    }

    /// The one that seals.
    pub fn primary(&self) -> &SealingKey {
        &self.keys[0]
    }

    /// All of them, the primary one first.
    pub fn all(&self) -> impl Iterator<Item = &SealingKey> {
        self.keys.iter()
    }

    /// The ids of all, the primary one first.
    pub fn ids(&self) -> Vec<&str> {
        self.keys.iter().map(SealingKey::id).collect()
    }

    /// The plain bytes of `sealed`, if one of these keys sealed it for the record `of`.
    pub fn open(&self, sealed: &str, of: &Purpose<'_>) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        let damaged = || SealingError::Damaged { kid: of.kid.to_owned() };
        let under = sealed_under(sealed).ok_or_else(damaged)?;
        match self.keys.iter().find(|key| key.id() == under) {
            Some(key) => key.open(sealed, of),
            None => Err(SealingError::WrongKey {
                kid: of.kid.to_owned(),
                sealed_under: under.to_owned(),
                configured: self.ids().join(", "),
            }),
        }
    }

    /// Whether one of these keys made `attestation` for `content`.
    pub fn attests(&self, content: &[u8], attestation: &str) -> bool {
        self.keys.iter().any(|key| key.attests(content, attestation))
    }
}
