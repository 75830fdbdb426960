//! Making a key that is fit to be published.

use std::sync::Arc;

use thiserror::Error;

use crate::app::App;
use crate::flows::load_keys::attested;
use crate::signing::key_store::{KeyStoreError, NewKey, StoredKey};
use crate::signing::keyring::RingId;
use crate::signing::signer::SigningError;
use crate::signing::signing_key::SigningKey;
use crate::store::StoreError;
use crate::store::key_changes::KeyToPublish;

#[derive(Debug, Error)]
pub enum MakeKeyError {
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
    #[error("the new key does not work: {0}")]
    Unusable(#[from] SigningError),
    #[error("making the key was interrupted")]
    Interrupted,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A new key for `ring`, which has signed something that its public half verified. Nothing refers to it
/// yet.
pub async fn make_key(app: &App, ring: RingId) -> Result<KeyToPublish, MakeKeyError> {
    let store = Arc::clone(app.key_stores.for_new_keys());
    let kept_in = store.name();
    let made = tokio::task::spawn_blocking(move || {
        let key = store.generate(ring.algorithm)?;
        let stored = StoredKey {
            kid: key.public_jwk.common.key_id.as_deref().unwrap_or_default(),
            algorithm: ring.algorithm,
            private_key: &key.private_key,
        };
        let signer = store.open(&stored)?;
        SigningKey::new(signer, ring.algorithm, key.public_jwk.clone())?.probe()?;
        Ok::<NewKey, MakeKeyError>(key)
    });
    let key = made.await.map_err(|_| MakeKeyError::Interrupted)??;
    let kid = key.public_jwk.common.key_id.as_deref().unwrap_or_default();
    let attestation = app.key_stores.sealing().primary().attest(&attested(ring, kid));
    Ok(KeyToPublish::new(ring, kept_in, &key, attestation)?)
}

/// Destroys a key that is not published after all: another process was first.
pub async fn discard_key(app: &App, key: &KeyToPublish) {
    if let Err(error) = destroy_private_key(app, &key.kid, key.ring, key.kept_in, &key.private_key).await {
        tracing::warn!(kid = key.kid, kept_in = key.kept_in, %error, "could not destroy an unneeded key");
    }
}

/// Destroys the private half where it is kept. The record is the caller's matter.
pub async fn destroy_private_key(
    app: &App,
    kid: &str,
    ring: RingId,
    kept_in: &str,
    private_key: &str,
) -> Result<(), MakeKeyError> {
    let Some(store) = app.key_stores.named(kept_in).cloned() else {
        return Err(KeyStoreError::Refused {
            store: "this process",
            why: format!("{kept_in} is not configured"),
        }
        .into());
    };
    let (kid, private_key) = (kid.to_owned(), private_key.to_owned());
    let destroyed = tokio::task::spawn_blocking(move || {
        store.destroy(&StoredKey { kid: &kid, algorithm: ring.algorithm, private_key: &private_key })
    });
    Ok(destroyed.await.map_err(|_| MakeKeyError::Interrupted)??)
}
