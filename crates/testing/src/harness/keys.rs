use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runmint::app::App;
use runmint::entropy::SystemEntropy;
use runmint::flows::initialize::ensure_signing_keys;
use runmint::flows::rotate_keys::look_after_keys;
use runmint::signing::algorithm::SigningAlgorithm;
use runmint::signing::database_keys::DatabaseKeys;
use runmint::signing::generate::{PrivateKeyDer, RsaBits};
use runmint::signing::key_store::{KeyStore, KeyStoreError, KeyStores, NewKey, StoredKey};
use runmint::signing::sealing::{SealingKey, SealingKeys};
use runmint::signing::signer::Signer;

/// The sealing key of every test, in base64.
pub fn sealing_key_text() -> String {
    STANDARD.encode([42; 32])
}

/// A key store whose RSA keys were found before: finding one takes a while, so all tests of a process share
/// them. Each database still gets every key once, in the same order.
pub struct SharedKeys {
    keys: DatabaseKeys,
    given: AtomicUsize,
}

impl SharedKeys {
    pub fn stores(primary: &str, others: &[String]) -> KeyStores {
        Self::stores_from(primary, others, 0)
    }

    /// `first` is which of the shared keys comes first: another process on the same database begins elsewhere.
    pub fn stores_from(primary: &str, others: &[String], first: usize) -> KeyStores {
        let parse = |text: &str| SealingKey::parse(text).unwrap();
        let others = others.iter().map(|text| parse(text)).collect();
        let sealing = Arc::new(SealingKeys::new(parse(primary), others));
        let keys =
            DatabaseKeys::new(Arc::clone(&sealing), Arc::new(SystemEntropy::new()), RsaBits::default());
        KeyStores::new(sealing, Arc::new(Self { keys, given: AtomicUsize::new(first) }), Vec::new())
    }
}

/// How many RSA keys there are.
pub const RSA_KEYS: usize = 48;

/// The RSA key of this number.
pub fn rsa_key(number: usize) -> &'static PrivateKeyDer {
    static KEYS: [OnceLock<PrivateKeyDer>; RSA_KEYS] = [const { OnceLock::new() }; RSA_KEYS];
    // Found by another library than in service: several times faster.
    KEYS[number].get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let document: Pkcs8V1Der<'static> = pair.as_der().unwrap();
        PrivateKeyDer::from_bytes(document.as_ref().to_vec().into())
    })
}

impl KeyStore for SharedKeys {
    fn name(&self) -> &'static str {
        self.keys.name()
    }

    fn generate(&self, algorithm: SigningAlgorithm) -> Result<NewKey, KeyStoreError> {
        match algorithm {
            SigningAlgorithm::Rs256 => {
                self.keys.seal(rsa_key(self.given.fetch_add(1, Ordering::Relaxed)), algorithm)
            }
            SigningAlgorithm::Es256 => self.keys.generate(algorithm),
        }
    }

    fn open(&self, stored: &StoredKey<'_>) -> Result<Box<dyn Signer>, KeyStoreError> {
        self.keys.open(stored)
    }

    fn destroy(&self, stored: &StoredKey<'_>) -> Result<(), KeyStoreError> {
        self.keys.destroy(stored)
    }
}

/// Gives the app a key that signs and one that waits, as a service has from its first seconds on.
pub(super) async fn install(app: &App) {
    // A second app on the same database finds the first one's keys there.
    ensure_signing_keys(app).await.unwrap();
    look_after_keys(app).await.unwrap();
}
