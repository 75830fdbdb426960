//! Verifiers that hold an uploaded key set and never fetch it: rotation waits until an operator says that
//! they have the next key.

use thiserror::Error;
use uuid::Uuid;

use crate::app::App;
use crate::domain::snapshot_verifier::SnapshotVerifier;
use crate::entropy::uuid_at;
use crate::signing::keyring::IssuerId;
use crate::store::StoreError;

pub const MAX_NAME_BYTES: usize = 100;

#[derive(Debug, Error)]
pub enum SnapshotVerifierError {
    #[error("a name has 1 to {MAX_NAME_BYTES} visible characters, such as `gcp/my-project/pool`")]
    Name,
    #[error("there is a snapshot verifier `{0}` already")]
    NameTaken(String),
    #[error("there is no such snapshot verifier")]
    NoSuchVerifier,
    #[error("name at least one key that the verifier has")]
    NoKeys,
    #[error(
        "signing key `{0}` is not published by this issuer: it belongs to another, or has left since the key set was exported; export it anew, and upload that"
    )]
    NoSuchKey(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// From now on rotation waits for this verifier. It is not known to have any key yet.
pub async fn register(
    app: &App,
    issuer: IssuerId,
    name: &str,
    by: Uuid,
) -> Result<SnapshotVerifier, SnapshotVerifierError> {
    if name.is_empty()
        || name.len() > MAX_NAME_BYTES
        || name.chars().any(|c| c.is_control() || c.is_whitespace())
    {
        return Err(SnapshotVerifierError::Name);
    }
    let now = app.clock.now();
    let id = uuid_at(now, app.entropy.as_ref());
    let verifier = SnapshotVerifier { id, issuer, name: name.to_owned(), created_at: now, has: Vec::new() };
    if !app.store.create_snapshot_verifier(&verifier, by).await? {
        return Err(SnapshotVerifierError::NameTaken(name.to_owned()));
    }
    tracing::info!(verifier = name, %issuer, %by, "snapshot verifier registered");
    Ok(verifier)
}

/// All snapshot verifiers, oldest first.
pub async fn list_snapshot_verifiers(app: &App) -> Result<Vec<SnapshotVerifier>, StoreError> {
    app.store.snapshot_verifiers().await
}

/// Records that the verifier has these keys: those of the key set that was uploaded, and not those that are
/// published since. A key that was made in between is one that it does not have.
pub async fn acknowledge(
    app: &App,
    id: Uuid,
    kids: Vec<String>,
    by: Uuid,
) -> Result<SnapshotVerifier, SnapshotVerifierError> {
    let mut verifier = find(app, id).await?;
    let served = app.serving.served();
    let published: Vec<String> = served
        .keyring
        .all()
        .filter(|(ring, _)| ring.issuer == verifier.issuer)
        .map(|(_, key)| key.kid.clone())
        .collect();
    if kids.is_empty() {
        return Err(SnapshotVerifierError::NoKeys);
    }
    if let Some(unknown) = kids.iter().find(|kid| !published.contains(kid)) {
        return Err(SnapshotVerifierError::NoSuchKey(unknown.clone()));
    }
    for kid in kids {
        app.store.acknowledge_key(verifier.id, &kid, by, app.clock.now()).await?;
        tracing::info!(verifier = verifier.name, kid, %by, "snapshot verifier acknowledged to have the key");
        if !verifier.has.contains(&kid) {
            verifier.has.push(kid);
        }
    }
    Ok(verifier)
}

/// Rotation no longer waits for it.
pub async fn forget(app: &App, id: Uuid, by: Uuid) -> Result<(), SnapshotVerifierError> {
    let verifier = find(app, id).await?;
    app.store.delete_snapshot_verifier(id).await?;
    tracing::info!(verifier = verifier.name, %by, "snapshot verifier forgotten");
    Ok(())
}

async fn find(app: &App, id: Uuid) -> Result<SnapshotVerifier, SnapshotVerifierError> {
    let all = app.store.snapshot_verifiers().await?;
    all.into_iter().find(|one| one.id == id).ok_or(SnapshotVerifierError::NoSuchVerifier)
}
