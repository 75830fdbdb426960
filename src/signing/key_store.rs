//! Where private keys are created and kept: sealed in our database, or in a module that they never leave.
//! Everything here blocks: call it on a thread that may block.

use std::sync::Arc;

use jsonwebtoken::jwk::Jwk;
use thiserror::Error;

use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::sealing::SealingKeys;
use crate::signing::signer::{Signer, SigningError};

/// Creates, opens and destroys private keys.
pub trait KeyStore: Send + Sync {
    /// The value of `kept_in` in a key's record.
    fn name(&self) -> &'static str;

    /// A new key. A crash right afterwards leaves a key that nothing refers to, which does no harm.
    fn generate(&self, algorithm: SigningAlgorithm) -> Result<NewKey, KeyStoreError>;

    /// The key that `private_key` of its record refers to. The caller verifies that it matches `public_jwk`.
    fn open(&self, stored: &StoredKey<'_>) -> Result<Box<dyn Signer>, KeyStoreError>;

    /// Destroys the private half for good. Succeeds if it is already destroyed.
    fn destroy(&self, stored: &StoredKey<'_>) -> Result<(), KeyStoreError>;
}

/// A key that a store created.
pub struct NewKey {
    /// With `kid`, `use` and `alg`, as `signing::jwk` makes it (RFC 7517).
    pub public_jwk: Jwk,
    /// The reference that `open` needs: the sealed key itself, or a name in the module. Not secret.
    pub private_key: String,
}

/// The private half of a key, as its record describes it.
#[derive(Clone, Copy)]
pub struct StoredKey<'a> {
    pub kid: &'a str,
    pub algorithm: SigningAlgorithm,
    pub private_key: &'a str,
}

/// A key store could not create, open or destroy a key.
#[derive(Debug, Error)]
pub enum KeyStoreError {
    /// It may succeed later.
    #[error("{store} does not answer: {why}")]
    Unreachable { store: &'static str, why: String },
    /// It fails until an operator acts.
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
    /// The first creates new keys.
    stores: Vec<Arc<dyn KeyStore>>,
    sealing: Arc<SealingKeys>,
}

impl KeyStores {
    /// `makes` creates new keys; `others` only open keys that they created earlier.
    pub fn new(sealing: Arc<SealingKeys>, makes: Arc<dyn KeyStore>, others: Vec<Arc<dyn KeyStore>>) -> Self {
        let mut stores = vec![makes];
        stores.extend(others);
        Self { stores, sealing }
    }

    /// The store that creates new keys.
    pub fn for_new_keys(&self) -> &Arc<dyn KeyStore> {
        &self.stores[0]
    }

    /// The store whose `name` is this.
    pub fn named(&self, name: &str) -> Option<&Arc<dyn KeyStore>> {
        self.stores.iter().find(|store| store.name() == name)
    }

    /// The sealing keys, which also attest public halves.
    pub fn sealing(&self) -> &Arc<SealingKeys> {
        &self.sealing
    }
}
