//! The first start: the signing keys that everything else begins with.

use thiserror::Error;

use crate::app::App;
use crate::domain::signing_key::Which;
use crate::flows::make_key::{MakeKeyError, discard_key, make_key};
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::keyring::{IssuerId, RingId};
use crate::store::StoreError;

#[derive(Debug, Error)]
pub enum InitializeError {
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
        if algorithm == SigningAlgorithm::Rs256 || app.issuing.algorithms.mentions(algorithm) {
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
