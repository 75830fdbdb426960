//! The first start: the signing keys that everything else begins with.

use thiserror::Error;

use crate::app::App;
use crate::flows::load_keys::{LoadKeysError, is_lost};
use crate::flows::make_key::{MakeKeyError, discard_key, make_key};
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::keyring::{IssuerId, RingId};
use crate::store::StoreError;
use crate::store::signing_keys::Which;

/// Gives up the keys that no configured sealing key opens, and makes others that sign at once. Verifiers
/// learn of those when they fetch the key set the next time. Nothing proves the public halves of the lost
/// ones ours any more, so they leave the key set. Returns how many were given up.
pub async fn abandon_lost_keys(app: &App) -> Result<usize, InitializeError> {
    let (_, records) = app.store.signing_keys(Which::Published).await?;
    let published = records.into_iter().filter(|record| record.life.is_published());
    let (mut lost, mut successors) = (Vec::new(), Vec::new());
    for record in published {
        if !is_lost(app, &record).await? {
            continue;
        }
        if record.life.is_designated() {
            successors.push(make_key(app, record.ring).await?);
        }
        tracing::warn!(kid = record.kid, "signing key given up: nothing opens it");
        lost.push(record.kid);
    }
    let count = lost.len();
    if count > 0 {
        app.store.abandon_keys(lost, successors).await?;
    }
    Ok(count)
}

#[derive(Debug, Error)]
pub enum InitializeError {
    #[error(transparent)]
    LoadKeys(#[from] LoadKeysError),
    #[error(transparent)]
    MakeKey(#[from] MakeKeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the first signing keys of the shared issuer, unless there are any. They sign at once: nobody
/// trusts the issuer yet. Returns whether it did.
pub async fn ensure_signing_keys(app: &App) -> Result<bool, InitializeError> {
    let (_, records) = app.store.signing_keys(Which::All).await?;
    if records.iter().any(|record| record.ring.issuer == IssuerId::Shared) {
        return Ok(false);
    }
    let mut keys = Vec::new();
    for algorithm in SigningAlgorithm::ALL {
        if algorithm == SigningAlgorithm::Rs256 || app.algorithms.mentions(algorithm) {
            keys.push(make_key(app, RingId { issuer: IssuerId::Shared, algorithm }).await?);
        }
    }
    let created = app.store.publish_first_keys(keys.clone()).await?;
    for key in keys {
        if created {
            tracing::info!(kid = key.kid, algorithm = %key.ring.algorithm, kept_in = key.kept_in, "first signing key created");
        } else {
            discard_key(app, &key).await;
        }
    }
    Ok(created)
}
