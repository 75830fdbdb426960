//! Keys that are kept sealed in our database and sign in this process's memory.

use std::sync::Arc;

use crate::entropy::Entropy;
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::generate::{PrivateKeyDer, RsaBits, private_key};
use crate::signing::key_store::{KeyStore, KeyStoreError, NewKey, StoredKey};
use crate::signing::sealing::{Purpose, SealingKeys};
use crate::signing::signer::{Signer, SigningError};
use crate::signing::software::SoftwareSigner;

/// Keys that the database keeps, sealed.
pub struct DatabaseKeys {
    sealing: Arc<SealingKeys>,
    entropy: Arc<dyn Entropy>,
    rsa_bits: RsaBits,
}

impl DatabaseKeys {
    /// The name of this store in settings and records.
    pub const NAME: &'static str = "database";

    /// Seals with the primary key of `sealing`; new RSA keys have `rsa_bits`.
    pub fn new(sealing: Arc<SealingKeys>, entropy: Arc<dyn Entropy>, rsa_bits: RsaBits) -> Self {
        Self { sealing, entropy, rsa_bits }
    }

    /// The record's text for an existing private key.
    pub fn seal(&self, der: &PrivateKeyDer, algorithm: SigningAlgorithm) -> Result<NewKey, KeyStoreError> {
        let unusable = |source| KeyStoreError::Unusable { kid: "of a new key".into(), source };
        let public_jwk = SoftwareSigner::from_der(der, algorithm).map_err(unusable)?.public_jwk();
        let kid = public_jwk.common.key_id.as_deref().unwrap_or_default();
        let of = Purpose { kid, algorithm: algorithm.as_str() };
        let sealed = self.sealing.primary().seal(der.as_bytes(), &of, self.entropy.as_ref());
        Ok(NewKey { public_jwk, private_key: sealed })
    }
}

impl KeyStore for DatabaseKeys {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn generate(&self, algorithm: SigningAlgorithm) -> Result<NewKey, KeyStoreError> {
        self.seal(&private_key(algorithm, self.rsa_bits, self.entropy.as_ref())?, algorithm)
    }

    fn open(&self, stored: &StoredKey<'_>) -> Result<Box<dyn Signer>, KeyStoreError> {
        let of = Purpose { kid: stored.kid, algorithm: stored.algorithm.as_str() };
        let der = PrivateKeyDer::from_bytes(self.sealing.open(stored.private_key, &of)?);
        let unusable = |source| KeyStoreError::Unusable { kid: stored.kid.to_owned(), source };
        let signer = SoftwareSigner::from_der(&der, stored.algorithm).map_err(unusable)?;
        // The seal alone does not prove that it is the right key.
        if signer.public_jwk().common.key_id.as_deref() != Some(stored.kid) {
            let source = SigningError::Unusable(stored.algorithm);
            return Err(unusable(source));
        }
        Ok(Box::new(signer))
    }

    /// The caller deletes the record's text, which destroys the key.
    fn destroy(&self, _: &StoredKey<'_>) -> Result<(), KeyStoreError> {
        Ok(())
    }
}
