//! Where private keys are made and live: sealed in our own database, or in a module that they never
//! leave. Everything here blocks and belongs on a thread that may.

use std::sync::Arc;

use jsonwebtoken::jwk::Jwk;
use thiserror::Error;

use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::sealing::SealingKeys;
use crate::signing::signer::{Signer, SigningError};

/// Makes, opens and destroys private keys.
pub trait KeyStore: Send + Sync {
    /// As `kept_in` of a key's record.
    fn name(&self) -> &'static str;

    /// A new key. What crashes after it leaves a key that nothing refers to, and does no harm.
    fn generate(&self, algorithm: SigningAlgorithm) -> Result<NewKey, KeyStoreError>;

    /// The key that `private_key` of its record refers to. The caller proves that it fits `public_jwk`.
    fn open(&self, stored: &StoredKey<'_>) -> Result<Box<dyn Signer>, KeyStoreError>;

    /// Destroys the private half for good. Done already is no error.
    fn destroy(&self, stored: &StoredKey<'_>) -> Result<(), KeyStoreError>;
}

pub struct NewKey {
    /// As of `signing::jwk`: with `kid`, `use` and `alg`.
    pub public_jwk: Jwk,
    /// What `open` needs: the sealed key itself, or a name in the module. No secret.
    pub private_key: String,
}

/// What the record of a key says about its private half.
#[derive(Clone, Copy)]
pub struct StoredKey<'a> {
    pub kid: &'a str,
    pub algorithm: SigningAlgorithm,
    pub private_key: &'a str,
}

#[derive(Debug, Error)]
pub enum KeyStoreError {
    #[error("{store} does not answer: {why}")]
    Unreachable { store: &'static str, why: String },
    #[error("{store} refused: {why}")]
    Refused { store: &'static str, why: String },
    #[error("{store} has no key `{private_key}` for signing key {kid}")]
    NoSuchKey { store: &'static str, kid: String, private_key: String },
    #[error(transparent)]
    Sealing(#[from] crate::signing::sealing::SealingError),
    #[error(transparent)]
    Generate(#[from] crate::signing::generate::GenerateError),
    #[error("signing key {kid}: {source}")]
    Unusable { kid: String, source: SigningError },
}

/// Every key store that this process can use.
pub struct KeyStores {
    /// New keys are made in the first.
    stores: Vec<Arc<dyn KeyStore>>,
    sealing: Arc<SealingKeys>,
}

impl KeyStores {
    /// `makes` is the one for new keys; `others` open what was made before.
    pub fn new(sealing: Arc<SealingKeys>, makes: Arc<dyn KeyStore>, others: Vec<Arc<dyn KeyStore>>) -> Self {
        let mut stores = vec![makes];
        stores.extend(others);
        Self { stores, sealing }
    }

    pub fn for_new_keys(&self) -> &Arc<dyn KeyStore> {
        &self.stores[0]
    }

    pub fn named(&self, name: &str) -> Option<&Arc<dyn KeyStore>> {
        self.stores.iter().find(|store| store.name() == name)
    }

    pub fn sealing(&self) -> &Arc<SealingKeys> {
        &self.sealing
    }
}
