//! Moving every key under the sealing key that seals now, while the service runs.

use thiserror::Error;

use crate::app::App;
use crate::domain::signing_key::{SigningKeyRecord, Which};
use crate::flows::load_keys::attested;
use crate::flows::refresh_keys::{RefreshError, refresh};
use crate::signing::database_keys::DatabaseKeys;
use crate::signing::sealing::{Purpose, SealingError, sealed_under};
use crate::store::StoreError;

pub struct Resealed {
    /// The id of the sealing key that all keys are under now.
    pub sealing_key: String,
    pub keys: usize,
}

#[derive(Debug, Error)]
pub enum ResealError {
    #[error(
        "these processes do not seal with sealing key {sealing_key}: {replicas}. They could not open the keys at their next start, or would seal the next one under another; give it to every process first, as the one that seals"
    )]
    NotEverywhere { sealing_key: String, replicas: String },
    #[error("signing key {0} changed meanwhile; run it again")]
    Changed(String),
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Seals every private key, and vouches for every public one, anew. One key at a time, each in one
/// statement: whatever interrupts it, every key is under the old sealing key or under the new one, and
/// running it again finishes the work.
pub async fn reseal_keys(app: &App) -> Result<Resealed, ResealError> {
    let primary = app.key_stores.sealing().primary();
    let without: Vec<String> = app
        .store
        .live_replicas()
        .await?
        .into_iter()
        // The first one seals. One that only opens with it would go on making keys under another.
        .filter(|replica| replica.sealing_keys.first().is_none_or(|id| id != primary.id()))
        .map(|replica| replica.name)
        .collect();
    if !without.is_empty() {
        let sealing_key = primary.id().to_owned();
        return Err(ResealError::NotEverywhere { sealing_key, replicas: without.join(", ") });
    }
    // Attest only keys that are proven now.
    refresh(app).await?;
    let (_, records) = app.store.signing_keys(Which::Published).await?;
    let mut keys = 0;
    for record in records {
        if reseal(app, &record).await? {
            keys += 1;
        }
    }
    refresh(app).await?;
    tracing::info!(keys, sealing_key_id = primary.id(), "signing keys resealed");
    Ok(Resealed { sealing_key: primary.id().to_owned(), keys })
}

async fn reseal(app: &App, record: &SigningKeyRecord) -> Result<bool, ResealError> {
    // The private half of one that is not published is about to be destroyed.
    if !record.life.is_published() {
        return Ok(false);
    }
    let sealing = app.key_stores.sealing();
    let attestation = sealing.primary().attest(&attested(record.ring, &record.kid));
    let sealed = record.private_key.as_deref().filter(|_| record.kept_in == DatabaseKeys::NAME);
    let to = match sealed {
        Some(text) if sealed_under(text) != Some(sealing.primary().id()) => {
            let of = Purpose { kid: &record.kid, algorithm: record.ring.algorithm.as_str() };
            let plain = sealing.open(text, &of)?;
            Some(sealing.primary().seal(&plain, &of, app.entropy.as_ref()))
        }
        _ => record.private_key.clone(),
    };
    // By what this process proved, not by what the record says of itself.
    let proven = app.serving.peek().keyring.find(&record.kid).is_some_and(|(ring, _)| ring == record.ring);
    if !proven {
        return Ok(false);
    }
    if to == record.private_key && record.attestation.as_ref() == Some(&attestation) {
        return Ok(false);
    }
    let (kid, from) = (record.kid.clone(), record.private_key.clone());
    if app.store.reseal_key(kid.clone(), from, to, attestation).await? {
        return Ok(true);
    }
    Err(ResealError::Changed(kid))
}
