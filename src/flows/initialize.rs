//! The first start: signing keys, and the access token that everything else begins with.

use std::sync::Arc;

use thiserror::Error;

use crate::app::App;
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::generate::{self, GenerateError, RsaBits};
use crate::signing::keyring::KeyState;
use crate::signing::sealing::{Purpose, SealingKey};
use crate::signing::signing_key::{SigningError, SigningKey};
use crate::store::StoreError;
use crate::store::signing_keys::SigningKeyRecord;

#[derive(Debug, Error)]
pub enum InitializeError {
    #[error(transparent)]
    Generate(#[from] GenerateError),
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error("making the key was interrupted")]
    Interrupted,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the first signing key, unless there is one. Returns whether it did.
pub async fn ensure_signing_key(app: &App, sealing_key: &SealingKey) -> Result<bool, InitializeError> {
    let records = app.store.signing_keys().await?;
    if records.iter().any(|record| record.state == KeyState::Active) {
        return Ok(false);
    }
    let entropy = Arc::clone(&app.entropy);
    let made = tokio::task::spawn_blocking(move || {
        generate::private_key(SigningAlgorithm::Rs256, RsaBits::default(), entropy.as_ref())
    })
    .await;
    let der = made.map_err(|_| InitializeError::Interrupted)??;
    let key = SigningKey::from_der(&der, SigningAlgorithm::Rs256)?;
    // A key that cannot sign must never be published.
    key.probe()?;
    let purpose = Purpose { kid: key.kid(), algorithm: key.algorithm().as_str() };
    let record = SigningKeyRecord {
        kid: key.kid().to_owned(),
        algorithm: key.algorithm().as_str().to_owned(),
        state: KeyState::Active,
        public_jwk: key.public_jwk().clone(),
        sealed: Some(sealing_key.seal(der.as_bytes(), &purpose, app.entropy.as_ref())),
    };
    let created = app.store.create_first_signing_key(&record, app.clock.now()).await?;
    if created {
        tracing::info!(kid = record.kid, sealing_key_id = sealing_key.id(), "signing key created");
    }
    Ok(created)
}
