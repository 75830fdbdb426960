//! Keys for many small worlds: RSA keys were found before, and no world gets one twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use runmint::entropy::SystemEntropy;
use runmint::signing::algorithm::SigningAlgorithm;
use runmint::signing::database_keys::DatabaseKeys;
use runmint::signing::generate::RsaBits;
use runmint::signing::key_store::{KeyStore, KeyStoreError, KeyStores, NewKey, StoredKey};
use runmint::signing::sealing::{SealingKey, SealingKeys};
use runmint::signing::signer::Signer;

use crate::harness::{RSA_KEYS, rsa_key, sealing_key_text};

struct WorldsKeys {
    keys: DatabaseKeys,
    given: Arc<AtomicUsize>,
}

/// `given` counts the RSA keys of this world, whichever process made them.
pub(super) fn key_stores(given: Arc<AtomicUsize>) -> KeyStores {
    let sealing = Arc::new(SealingKeys::new(SealingKey::parse(&sealing_key_text()).unwrap(), Vec::new()));
    let keys = DatabaseKeys::new(Arc::clone(&sealing), Arc::new(SystemEntropy::new()), RsaBits::default());
    KeyStores::new(sealing, Arc::new(WorldsKeys { keys, given }), Vec::new())
}

impl KeyStore for WorldsKeys {
    fn name(&self) -> &'static str {
        self.keys.name()
    }

    fn generate(&self, algorithm: SigningAlgorithm) -> Result<NewKey, KeyStoreError> {
        if algorithm == SigningAlgorithm::Rs256 {
            let number = self.given.fetch_add(1, Ordering::Relaxed);
            // Beyond the shared ones, finding one takes its time.
            if number < RSA_KEYS {
                return self.keys.seal(rsa_key(number), algorithm);
            }
        }
        self.keys.generate(algorithm)
    }

    fn open(&self, stored: &StoredKey<'_>) -> Result<Box<dyn Signer>, KeyStoreError> {
        self.keys.open(stored)
    }

    fn destroy(&self, stored: &StoredKey<'_>) -> Result<(), KeyStoreError> {
        self.keys.destroy(stored)
    }
}
