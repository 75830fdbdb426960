use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runmint::app::App;
use runmint::entropy::SystemEntropy;
use runmint::flows::load_keys;
use runmint::signing::algorithm::SigningAlgorithm;
use runmint::signing::generate::{self, PrivateKeyDer, RsaBits};
use runmint::signing::keyring::KeyState;
use runmint::signing::sealing::{Purpose, SealingKey};
use runmint::signing::signing_key::SigningKey;
use runmint::store::signing_keys::SigningKeyRecord;

/// The sealing key of every test, in base64.
pub(crate) fn sealing_key_text() -> String {
    STANDARD.encode([42; 32])
}

/// Gives the app a signing key. Finding a key takes a while, so all tests of a process share one.
pub(crate) async fn install(app: &App) {
    static KEY: OnceLock<PrivateKeyDer> = OnceLock::new();
    let der = KEY.get_or_init(|| {
        generate::private_key(SigningAlgorithm::Rs256, RsaBits::default(), &SystemEntropy::new()).unwrap()
    });
    let key = SigningKey::from_der(der, SigningAlgorithm::Rs256).unwrap();
    let sealing_key = SealingKey::parse(&sealing_key_text()).unwrap();
    let purpose = Purpose { kid: key.kid(), algorithm: key.algorithm().as_str() };
    let record = SigningKeyRecord {
        kid: key.kid().to_owned(),
        algorithm: key.algorithm().as_str().to_owned(),
        state: KeyState::Active,
        public_jwk: key.public_jwk().clone(),
        sealed: Some(sealing_key.seal(der.as_bytes(), &purpose, &SystemEntropy::new())),
    };
    // A second app on the same database finds the first one's key there.
    app.store.create_first_signing_key(&record, app.clock.now()).await.unwrap();
    load_keys::load_keys(app, &sealing_key).await.unwrap();
}
