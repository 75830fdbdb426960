//! Keys for many small worlds: RSA keys are generated in advance, and no world gets one twice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use runmint::entropy::SystemEntropy;
use runmint::signing::algorithm::SigningAlgorithm;
use runmint::signing::database_keys::DatabaseKeys;
use runmint::signing::generate::RsaBits;
use runmint::signing::key_store::{KeyStore, KeyStoreError, KeyStores, NewKey, StoredKey};
use runmint::signing::sealing::{SealingKey, SealingKeys};
use runmint::signing::signer::{Pace, Signer, SigningError};

use crate::harness::{RSA_KEYS, rsa_key, sealing_key_text};

struct WorldsKeys {
    keys: DatabaseKeys,
    given: Arc<AtomicUsize>,
    is_blind: Arc<AtomicBool>,
}

/// `given` counts the RSA keys of this world, whichever process made them. While it `is_blind`, a process
/// opens no key although it reaches the database.
pub(super) fn key_stores(given: Arc<AtomicUsize>, is_blind: Arc<AtomicBool>) -> KeyStores {
    let sealing = Arc::new(SealingKeys::new(SealingKey::parse(&sealing_key_text()).unwrap(), Vec::new()));
    let keys = DatabaseKeys::new(Arc::clone(&sealing), Arc::new(SystemEntropy::new()), RsaBits::default());
    KeyStores::new(sealing, Arc::new(WorldsKeys { keys, given, is_blind }), Vec::new())
}

/// Remembers probe signatures from other worlds whose processes opened the same key: RSA signatures are
/// deterministic (RFC 8017 §8.2).
struct Remembering {
    signer: Box<dyn Signer>,
    kid: String,
}

/// By key id and signed bytes.
type Signatures = BTreeMap<(String, Vec<u8>), Vec<u8>>;

/// Tokens are longer.
const PROBE_LENGTH_MAX: usize = 32;

impl Signer for Remembering {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, SigningError> {
        static PROBES: Mutex<Signatures> = Mutex::new(BTreeMap::new());
        if input.len() > PROBE_LENGTH_MAX {
            return self.signer.sign(input);
        }
        let probe = (self.kid.clone(), input.to_vec());
        if let Some(known) = PROBES.lock().unwrap().get(&probe) {
            return Ok(known.clone());
        }
        let signature = self.signer.sign(input)?;
        PROBES.lock().unwrap().insert(probe, signature.clone());
        Ok(signature)
    }

    fn pace(&self) -> Pace {
        self.signer.pace()
    }
}

impl KeyStore for WorldsKeys {
    fn name(&self) -> &'static str {
        self.keys.name()
    }

    fn generate(&self, algorithm: SigningAlgorithm) -> Result<NewKey, KeyStoreError> {
        if algorithm == SigningAlgorithm::Rs256 {
            let number = self.given.fetch_add(1, Ordering::Relaxed);
            // Beyond the shared keys, generating one takes time.
            if number < RSA_KEYS {
                return self.keys.seal(rsa_key(number), algorithm);
            }
        }
        self.keys.generate(algorithm)
    }

    fn open(&self, stored: &StoredKey<'_>) -> Result<Box<dyn Signer>, KeyStoreError> {
        if self.is_blind.load(Ordering::SeqCst) {
            let why = "it is out of order".to_owned();
            return Err(KeyStoreError::Refused { store: self.name(), why });
        }
        let signer = self.keys.open(stored)?;
        match stored.algorithm {
            SigningAlgorithm::Rs256 => Ok(Box::new(Remembering { signer, kid: stored.kid.to_owned() })),
            SigningAlgorithm::Es256 => Ok(signer),
        }
    }

    fn destroy(&self, stored: &StoredKey<'_>) -> Result<(), KeyStoreError> {
        self.keys.destroy(stored)
    }
}
