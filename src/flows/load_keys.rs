//! Bringing the signing keys from the database into memory, opened and proven to work.

use std::sync::Arc;

use thiserror::Error;

use crate::app::App;
use crate::config::SealingKeySource;
use crate::entropy::Entropy;
use crate::publication::Publication;
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::generate::PrivateKeyDer;
use crate::signing::jwk;
use crate::signing::keyring::{KeyState, Keyring};
use crate::signing::sealing::{Purpose, SealingError, SealingKey};
use crate::signing::signing_key::{SigningError, SigningKey};
use crate::store::StoreError;
use crate::store::signing_keys::SigningKeyRecord;

#[derive(Debug, Error)]
pub enum LoadKeysError {
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error("signing key {kid}: {source}")]
    Unusable { kid: String, source: SigningError },
    #[error(
        "signing key {0}: its public half was changed; it does not belong to its id or its private half. Restore it from a backup"
    )]
    Mismatch(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The configured sealing key; a file is made when `create` and there is none.
pub fn sealing_key(
    source: &SealingKeySource,
    create: Option<&dyn Entropy>,
) -> Result<SealingKey, SealingError> {
    match (source, create) {
        (SealingKeySource::Inline(text), _) => SealingKey::parse(text),
        (SealingKeySource::File(path), None) => SealingKey::from_file(path),
        (SealingKeySource::File(path), Some(entropy)) => SealingKey::from_file_or_new(path, entropy),
    }
}

/// Reads all keys and, when every one that is published is proven to be ours, puts them in service.
pub async fn load_keys(app: &App, sealing_key: &SealingKey) -> Result<(), LoadKeysError> {
    let records = app.store.signing_keys().await?;
    let mut active = None;
    let mut published = Vec::new();
    for record in records.iter().filter(|record| record.state.is_published()) {
        let key = prove(record, sealing_key)?;
        published.push(record.public_jwk.clone());
        if record.state == KeyState::Active {
            active = key.map(Arc::new);
        }
    }
    let keyring = Keyring::new(active, published);
    app.publication.store(Arc::new(Publication::of(&app.issuer, &app.services, &keyring)));
    app.keyring.store(Arc::new(keyring));
    Ok(())
}

/// What is published verifies tokens everywhere, so whoever can write to the database must not be able
/// to publish a key of their own under one of our ids. Only a key that signs no more may lack its
/// private half.
fn prove(record: &SigningKeyRecord, sealing_key: &SealingKey) -> Result<Option<SigningKey>, LoadKeysError> {
    if !jwk::is_named_by(&record.public_jwk, SigningAlgorithm::Rs256, &record.kid) {
        return Err(LoadKeysError::Mismatch(record.kid.clone()));
    }
    if record.state == KeyState::Previous && record.sealed.is_none() {
        return Ok(None);
    }
    open(record, sealing_key).map(Some)
}

fn open(record: &SigningKeyRecord, sealing_key: &SealingKey) -> Result<SigningKey, LoadKeysError> {
    let kid = &record.kid;
    let damaged = || SealingError::Damaged { kid: kid.clone() };
    let sealed = record.sealed.as_ref().ok_or_else(damaged)?;
    let der = sealing_key.open(sealed, &Purpose { kid, algorithm: &record.algorithm })?;
    let unusable = |source| LoadKeysError::Unusable { kid: kid.clone(), source };
    let key =
        SigningKey::from_der(&PrivateKeyDer::from_bytes(der), SigningAlgorithm::Rs256).map_err(unusable)?;
    if key.kid() != kid || *key.public_jwk() != record.public_jwk {
        return Err(LoadKeysError::Mismatch(kid.clone()));
    }
    Ok(key)
}
