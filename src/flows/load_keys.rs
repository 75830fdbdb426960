//! Bringing the keys from the database into memory, opened and proven to be ours.

use std::collections::HashMap;
use std::sync::Arc;

use thiserror::Error;

use crate::app::App;
use crate::domain::signing_key::{KeyWish, SigningKeyRecord, Which};
use crate::publication::Publication;
use crate::serving::{KeyRef, Served};
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::jwk;
use crate::signing::key_store::{KeyStoreError, KeyStores, StoredKey};
use crate::signing::keyring::{IssuerId, Keyring, RingId, RingKey};
use crate::signing::sealing::SealingError;
use crate::signing::signer::SigningError;
use crate::signing::signing_key::SigningKey;
use crate::store::StoreError;

#[derive(Debug, Error)]
pub enum LoadKeysError {
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
    #[error("signing key {kid} is kept in {kept_in}, which is not configured")]
    NoKeyStore { kid: String, kept_in: String },
    #[error("signing key {kid}: {source}")]
    Unusable { kid: String, source: SigningError },
    #[error(
        "signing key {0}: its public half was changed; it does not belong to its id or its private half. Restore it from a backup"
    )]
    Mismatch(String),
    #[error(
        "signing key {0}: nothing proves that it is ours (no private half, and no attestation under a sealing key that is configured). Restore it from a backup"
    )]
    Unproven(String),
    #[error(
        "signing key {0} was published and is gone from the database without a record of its removal: verifiers still need it, so the previous key set stays in service. Restore its row from a backup"
    )]
    Vanished(String),
    #[error(
        "signing key {0} was revoked or removed and is published again, which nothing here does: somebody changed its record. Set it right"
    )]
    Returned(String),
    #[error("opening the keys was interrupted")]
    Interrupted,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads all keys and, when every one that is published is proven to be ours, puts them in service.
/// Otherwise what is in service stays.
pub async fn load_keys(app: &App) -> Result<(), LoadKeysError> {
    let (revision, records) = app.store.signing_keys(Which::Published).await?;
    let first_of_all = records.iter().all(|record| record.attestation.is_none());
    let wishes = app.store.key_wishes().await?;
    let before = app.serving.served();
    refuse_losses(app, &before, &records).await?;

    let mut rings: HashMap<RingId, Vec<RingKey>> = HashMap::new();
    let mut lives: HashMap<RingId, Vec<(KeyRef, _)>> = HashMap::new();
    for record in records {
        let reference = KeyRef {
            kid: record.kid.clone(),
            kept_in: record.kept_in.clone(),
            private_key: record.private_key.clone(),
        };
        lives.entry(record.ring).or_default().push((reference, record.life.clone()));
        if record.life.is_published() {
            refuse_return(app, &record.kid)?;
            let signing_key = prove(app, &before, &record, first_of_all).await?;
            if record.attestation.is_none() {
                let content = attested(record.ring, &record.kid);
                let attestation = app.key_stores.sealing().primary().attest(&content);
                app.store.attest_key(&record.kid, &attestation).await?;
            }
            let (kid, life, jwk) = (record.kid, record.life, record.public_jwk);
            rings.entry(record.ring).or_default().push(RingKey { kid, life, jwk, signing_key });
        }
    }
    let keyring = Keyring::new(rings);
    let publications = publications(app, &wishes, &keyring);
    for (issuer, publication) in &publications {
        // Keep fetches that are not recorded yet.
        if let Some(fetched) = before.publication_of(*issuer).and_then(|old| old.take_last_fetched()) {
            publication.was_fetched(fetched);
        }
    }
    app.serving.serve(Served {
        revision,
        publications,
        own_issuers: wishes
            .iter()
            .filter(|wish| wish.own_issuer)
            .map(|wish| (wish.organization.to_string(), IssuerId::Organization(wish.organization_id)))
            .collect(),
        wanted: wanted(app, &wishes),
        ended: wishes
            .iter()
            .filter(|wish| wish.own_issuer && wish.deleted)
            .map(|wish| IssuerId::Organization(wish.organization_id))
            .collect(),
        keyring,
        lives,
    });
    Ok(())
}

/// A published key may only go by a record that says so. A database restored from an old backup, or a
/// hand that slipped, must not make verifiers refuse good tokens.
async fn refuse_losses(
    app: &App,
    before: &Served,
    records: &[SigningKeyRecord],
) -> Result<(), LoadKeysError> {
    for (ring, key) in before.keyring.all() {
        // A key of another issuer is another key.
        let stays = |record: &SigningKeyRecord| {
            record.kid == key.kid && record.ring == ring && record.life.is_published()
        };
        if records.iter().any(stays) {
            continue;
        }
        if !app.store.was_taken_out(&key.kid).await? {
            return Err(LoadKeysError::Vanished(key.kid.clone()));
        }
        app.serving.note_taken_out(&key.kid);
    }
    Ok(())
}

/// A revoked or removed key never comes back, whatever the database says later.
fn refuse_return(app: &App, kid: &str) -> Result<(), LoadKeysError> {
    if app.serving.was_taken_out(kid) { Err(LoadKeysError::Returned(kid.to_owned())) } else { Ok(()) }
}

/// A published key verifies tokens everywhere, so an attacker who can write to the database must not be able
/// to publish a key of their own.
async fn prove(
    app: &App,
    before: &Served,
    record: &SigningKeyRecord,
    first_of_all: bool,
) -> Result<Option<Arc<SigningKey>>, LoadKeysError> {
    let kid = &record.kid;
    if !jwk::is_named_by(&record.public_jwk, record.ring.algorithm, kid) {
        return Err(LoadKeysError::Mismatch(kid.clone()));
    }
    let content = attested(record.ring, kid);
    match &record.attestation {
        Some(attestation) if app.key_stores.sealing().attests(&content, attestation) => {}
        Some(_) => return Err(unproven(app, record)),
        // Made before there were any attestations, when there was one issuer and no module: its private half,
        // which opens below, is the proof. Beside a key that has one, a missing one was taken away.
        None if first_of_all && record.is_of_the_first_version() => {}
        None => return Err(LoadKeysError::Unproven(kid.clone())),
    }
    let key = if record.private_key.is_some() { Some(open(app, before, record).await?) } else { None };
    // A key that waits or signs without a private half was damaged.
    if key.is_none() && record.life.signs_until.is_none() {
        return Err(KeyStoreError::Sealing(SealingError::Damaged { kid: kid.clone() }).into());
    }
    Ok(key)
}

/// Whether nothing that is configured opens the key. A store that does not answer proves nothing.
pub async fn is_lost(app: &App, record: &SigningKeyRecord) -> Result<bool, LoadKeysError> {
    match prove(app, &Served::default(), record, true).await {
        Ok(_) => Ok(false),
        Err(
            LoadKeysError::Unproven(_)
            | LoadKeysError::NoKeyStore { .. }
            | LoadKeysError::KeyStore(KeyStoreError::Sealing(_) | KeyStoreError::NoSuchKey { .. }),
        ) => Ok(true),
        Err(error) => Err(error),
    }
}

/// The wrong sealing key is the likelier reason, and easier to put right.
fn unproven(app: &App, record: &SigningKeyRecord) -> LoadKeysError {
    let ids = app.key_stores.sealing().ids();
    let under = record.private_key.as_deref().and_then(crate::signing::sealing::sealed_under);
    match under {
        Some(under) if record.kept_in == "database" && !ids.contains(&under) => {
            KeyStoreError::Sealing(SealingError::WrongKey {
                kid: record.kid.clone(),
                sealed_under: under.to_owned(),
                configured: ids.join(", "),
            })
            .into()
        }
        _ => LoadKeysError::Unproven(record.kid.clone()),
    }
}

/// The public half and whose it is: what an attestation vouches for. The id is the key's thumbprint.
pub fn attested(ring: RingId, kid: &str) -> Vec<u8> {
    format!("runmint/signing-key/v1\0{}\0{}\0{kid}", ring.issuer, ring.algorithm).into_bytes()
}

async fn open(
    app: &App,
    before: &Served,
    record: &SigningKeyRecord,
) -> Result<Arc<SigningKey>, LoadKeysError> {
    // Opening takes a while, or a trip to a module, and what was opened once is as good as ever.
    let same =
        |reference: &KeyRef| reference.kid == record.kid && reference.private_key == record.private_key;
    if before.lives.values().flatten().any(|(reference, _)| same(reference))
        && let Some((_, RingKey { signing_key: Some(key), .. })) = before.keyring.find(&record.kid)
    {
        return Ok(Arc::clone(key));
    }
    let opened = open_anew(&app.key_stores, record)?;
    let checked = tokio::task::spawn_blocking(opened).await.map_err(|_| LoadKeysError::Interrupted)??;
    Ok(Arc::new(checked))
}

fn open_anew(
    stores: &KeyStores,
    record: &SigningKeyRecord,
) -> Result<impl FnOnce() -> Result<SigningKey, LoadKeysError> + Send + 'static, LoadKeysError> {
    let (kid, kept_in) = (record.kid.clone(), record.kept_in.clone());
    let missing = || LoadKeysError::NoKeyStore { kid: kid.clone(), kept_in };
    let store = Arc::clone(stores.named(&record.kept_in).ok_or_else(missing)?);
    let (algorithm, jwk) = (record.ring.algorithm, record.public_jwk.clone());
    let private_key = record.private_key.clone().unwrap_or_default();
    Ok(move || {
        let signer = store.open(&StoredKey { kid: &kid, algorithm, private_key: &private_key })?;
        let unusable = |source| LoadKeysError::Unusable { kid: kid.clone(), source };
        let key = SigningKey::new(signer, algorithm, jwk).map_err(unusable)?;
        // It signs, and its public half is the one that is published.
        match key.probe() {
            Ok(()) => Ok(key),
            Err(SigningError::Unusable(_)) => Err(LoadKeysError::Mismatch(kid)),
            Err(source) => Err(LoadKeysError::Unusable { kid, source }),
        }
    })
}

fn publications(app: &App, wishes: &[KeyWish], keyring: &Keyring) -> HashMap<IssuerId, Arc<Publication>> {
    let shared = (IssuerId::Shared, app.issuing.issuer.clone());
    let own = wishes.iter().filter(|wish| wish.own_issuer).map(|wish| {
        (
            IssuerId::Organization(wish.organization_id),
            app.issuing.base_url.of_organization(&wish.organization),
        )
    });
    std::iter::once(shared)
        .chain(own)
        .filter_map(|(id, url)| {
            Some((id, Arc::new(Publication::of(url, id, &app.issuing.services, keyring)?)))
        })
        .collect()
}

fn wanted(app: &App, wishes: &[KeyWish]) -> Vec<RingId> {
    let shared = |algorithm| RingId { issuer: IssuerId::Shared, algorithm };
    let mut wanted = vec![shared(SigningAlgorithm::Rs256)];
    let for_shared = |wish: &KeyWish| !wish.deleted && !wish.own_issuer && wish.wants_es256();
    if app.issuing.algorithms.mentions(SigningAlgorithm::Es256) || wishes.iter().any(for_shared) {
        wanted.push(shared(SigningAlgorithm::Es256));
    }
    for wish in wishes.iter().filter(|wish| wish.own_issuer && !wish.deleted) {
        wanted.extend(rings_of_own_issuer(
            app,
            IssuerId::Organization(wish.organization_id),
            wish.wants_es256(),
        ));
    }
    wanted
}

/// The rings that an issuer of an organization's own has.
pub fn rings_of_own_issuer(app: &App, issuer: IssuerId, wants_es256: bool) -> impl Iterator<Item = RingId> {
    let es256 = wants_es256 || app.issuing.algorithms.mentions(SigningAlgorithm::Es256);
    let beside = es256.then_some(SigningAlgorithm::Es256);
    std::iter::once(SigningAlgorithm::Rs256).chain(beside).map(move |algorithm| RingId { issuer, algorithm })
}
