//! The key stores that the settings name.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use crate::config::keys::{
    AwsKmsSource, KeySettings, KeyStoreChoice, PinSource, Pkcs11Source, SealingKeySource,
};
use crate::entropy::Entropy;
use crate::private_file;
use crate::signing::aws_kms::{AwsKmsKeys, AwsKmsSettings};
use crate::signing::database_keys::DatabaseKeys;
use crate::signing::generate::RsaBits;
use crate::signing::key_store::{KeyStore, KeyStoreError, KeyStores};
use crate::signing::pkcs11::{Pkcs11Keys, Pkcs11Settings};
use crate::signing::sealing::{SealingError, SealingKey, SealingKeys};

/// The sealing keys; with `create`, a missing file of the first is created.
pub(super) fn sealing_keys(
    settings: &KeySettings,
    create: Option<&dyn Entropy>,
) -> Result<Arc<SealingKeys>, SealingError> {
    let primary = sealing_key(&settings.sealing_key, create)?;
    let others = settings.old_sealing_keys.iter().map(|source| sealing_key(source, None));
    Ok(Arc::new(SealingKeys::new(primary, others.collect::<Result<_, _>>()?)))
}

/// As `sealing_keys`, and the first is one that nobody has and that is written nowhere: with the others it
/// tells what would be lost without the file.
pub(super) fn sealing_keys_without_the_first(
    settings: &KeySettings,
    entropy: &dyn Entropy,
) -> Result<Arc<SealingKeys>, SealingError> {
    let mut bytes = Zeroizing::new([0; 32]);
    entropy.fill(bytes.as_mut());
    let nobodys = SealingKey::parse(&STANDARD.encode(bytes.as_ref()))?;
    let others = settings.old_sealing_keys.iter().map(|source| sealing_key(source, None));
    Ok(Arc::new(SealingKeys::new(nobodys, others.collect::<Result<_, _>>()?)))
}

fn sealing_key(source: &SealingKeySource, create: Option<&dyn Entropy>) -> Result<SealingKey, SealingError> {
    match (source, create) {
        (SealingKeySource::Inline(text), _) => SealingKey::parse(text.expose_secret()),
        (SealingKeySource::File(path), None) => SealingKey::from_file(path),
        (SealingKeySource::File(path), Some(entropy)) => SealingKey::from_file_or_new(path, entropy),
    }
}

pub(super) async fn open(
    settings: &KeySettings,
    sealing: Arc<SealingKeys>,
    entropy: Arc<dyn Entropy>,
) -> Result<KeyStores, KeyStoreError> {
    let database: Arc<dyn KeyStore> =
        Arc::new(DatabaseKeys::new(Arc::clone(&sealing), entropy, settings.rsa_bits));
    let mut stores = vec![database];
    if let Some(source) = &settings.pkcs11 {
        stores.push(pkcs11(source, settings.rsa_bits).await?);
    }
    if settings.key_store == KeyStoreChoice::AwsKms || settings.aws_kms != AwsKmsSource::default() {
        stores.push(aws_kms(&settings.aws_kms, settings.rsa_bits).await?);
    }
    let name = match settings.key_store {
        KeyStoreChoice::Database => DatabaseKeys::NAME,
        KeyStoreChoice::Pkcs11 => "pkcs11",
        KeyStoreChoice::AwsKms => "aws-kms",
    };
    let index = stores.iter().position(|store| store.name() == name).expect("the chosen one was opened");
    let makes = stores.swap_remove(index);
    Ok(KeyStores::new(sealing, makes, stores))
}

async fn pkcs11(source: &Pkcs11Source, rsa_bits: RsaBits) -> Result<Arc<dyn KeyStore>, KeyStoreError> {
    let pin = match &source.pin {
        PinSource::Inline(pin) => pin.clone(),
        PinSource::File(path) => {
            let why = |error| format!("pkcs11_pin_file {}: {error}", path.display());
            let text = private_file::read(path)
                .map_err(|error| KeyStoreError::Refused { store: "pkcs11", why: why(error) })?;
            text.trim_end_matches(['\r', '\n']).into()
        }
    };
    let (module, token_label) = (source.module.clone(), source.token_label.clone());
    let settings = Pkcs11Settings { module, token_label, pin, rsa_bits };
    let opened = tokio::task::spawn_blocking(move || Pkcs11Keys::open(settings)).await;
    let interrupted =
        |_| KeyStoreError::Refused { store: "pkcs11", why: "opening it was interrupted".into() };
    Ok(Arc::new(opened.map_err(interrupted)??))
}

async fn aws_kms(source: &AwsKmsSource, rsa_bits: RsaBits) -> Result<Arc<dyn KeyStore>, KeyStoreError> {
    let AwsKmsSource { endpoint, region } = source.clone();
    let settings = AwsKmsSettings { endpoint, region, rsa_bits };
    Ok(Arc::new(AwsKmsKeys::connect(settings, Handle::current()).await?))
}
