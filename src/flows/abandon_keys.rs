//! Abandons keys that can no longer be opened: the sealing key or the module is lost for good.
//!
//! It destroys, and a wrong folder or a wrong setting looks just like a loss. So it is done only while no
//! process serves, and only by somebody who has seen which keys go and says how many they are.

use std::fmt::{self, Display};

use thiserror::Error;

use crate::app::App;
use crate::domain::signing_key::{SigningKeyRecord, Which};
use crate::flows::load_keys::{LoadKeysError, attested, is_lost};
use crate::flows::make_key::{MakeKeyError, discard_key, make_key};
use crate::signing::database_keys::DatabaseKeys;
use crate::signing::keyring::{IssuerId, RingId};
use crate::signing::sealing::sealed_under;
use crate::store::StoreError;

#[derive(Debug, Error)]
pub enum AbandonError {
    #[error(
        "these processes serve with the keys of this database, so nothing is given up: {0}. Stop every one first; one that crashed is counted until its lease is over, {lease} seconds", lease = .1
    )]
    Serving(String, i64),
    #[error("no signing key is lost, so none was abandoned: run `runmint init` without --abandon-lost-keys")]
    NothingLost,
    #[error(
        "no key was abandoned yet. This would abandon these signing keys for good, and verifiers would refuse their tokens:{lost}\nIf they are really lost, run: runmint init --abandon-lost-keys {count}",
        lost = List(.0), count = .0.len()
    )]
    NotConfirmed(Vec<LostKey>),
    #[error(transparent)]
    LoadKeys(#[from] LoadKeysError),
    #[error(transparent)]
    MakeKey(#[from] MakeKeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A published key that nothing configured opens.
#[derive(Debug)]
pub struct LostKey {
    kid: String,
    ring: RingId,
    issuer: String,
    why: String,
    /// It signs, or is to.
    designated: bool,
}

/// Gives up the keys that nothing opens, if they are as many as `expected`. A key that waits already takes
/// over where it opens, as verifiers know it; elsewhere one is made, and verifiers learn of it when they
/// fetch the key set the next time. Nothing proves the public halves of the lost ones ours any more, so
/// they leave the key set.
pub async fn abandon_lost_keys(app: &App, expected: Option<usize>) -> Result<(), AbandonError> {
    let Review { lost, waiting } = confirm(app, expected).await?;
    let (mut promoted, mut made) = (Vec::new(), Vec::new());
    for key in lost.iter().filter(|key| key.designated) {
        match waiting.iter().find(|(ring, _)| *ring == key.ring) {
            Some((_, kid)) => promoted.push(kid.clone()),
            None => made.push(make_key(app, key.ring).await?),
        }
    }
    let kids = lost.iter().map(|key| key.kid.clone()).collect();
    let serving = app.store.abandon_keys(kids, promoted, made.clone()).await?;
    if !serving.is_empty() {
        for key in &made {
            discard_key(app, key).await;
        }
        return Err(still_serving(app, &serving));
    }
    for key in &lost {
        tracing::warn!(kid = key.kid, issuer = key.issuer, why = key.why, "signing key abandoned");
    }
    Ok(())
}

/// What `abandon_lost_keys` would give up, if that is as `expected` and nobody uses it. Changes nothing.
pub async fn confirm(app: &App, expected: Option<usize>) -> Result<Review, AbandonError> {
    let serving: Vec<String> = app.store.live_replicas().await?.into_iter().map(|one| one.name).collect();
    if !serving.is_empty() {
        return Err(still_serving(app, &serving));
    }
    let review = review(app).await?;
    match expected {
        Some(count) if count == review.lost.len() => Ok(review),
        _ if review.lost.is_empty() => Err(AbandonError::NothingLost),
        _ => Err(AbandonError::NotConfirmed(review.lost)),
    }
}

pub struct Review {
    lost: Vec<LostKey>,
    /// The keys that wait for their turn and open.
    waiting: Vec<(RingId, String)>,
}

async fn review(app: &App) -> Result<Review, AbandonError> {
    let (_, records) = app.store.signing_keys(Which::Published).await?;
    let mut review = Review { lost: Vec::new(), waiting: Vec::new() };
    for record in records.into_iter().filter(|record| record.life.is_published()) {
        // A module that is only not configured has lost nothing.
        if record.private_key.is_some() && app.key_stores.named(&record.kept_in).is_none() {
            let SigningKeyRecord { kid, kept_in, .. } = record;
            return Err(LoadKeysError::NoKeyStore { kid, kept_in }.into());
        }
        if is_lost(app, &record).await? {
            review.lost.push(LostKey {
                issuer: issuer_url(app, record.ring.issuer).await?,
                why: why_lost(app, &record),
                designated: record.life.is_designated(),
                ring: record.ring,
                kid: record.kid,
            });
        } else if record.life.waits() {
            review.waiting.push((record.ring, record.kid));
        }
    }
    Ok(review)
}

fn why_lost(app: &App, record: &SigningKeyRecord) -> String {
    let sealing = app.key_stores.sealing();
    let under = record.private_key.as_deref().filter(|_| record.kept_in == DatabaseKeys::NAME);
    let attested = |text: &String| sealing.attests(&attested(record.ring, &record.kid), text);
    match under.and_then(sealed_under) {
        Some(id) if !sealing.ids().contains(&id) => {
            format!("sealed under sealing key {id}, which is not configured")
        }
        _ if !record.attestation.as_ref().is_some_and(attested) => {
            "no configured sealing key attests it".to_owned()
        }
        _ if record.private_key.is_none() => "its private half is gone".to_owned(),
        _ => format!("{} does not open it", record.kept_in),
    }
}

async fn issuer_url(app: &App, issuer: IssuerId) -> Result<String, StoreError> {
    let IssuerId::Organization(id) = issuer else { return Ok(app.issuing.issuer.to_string()) };
    let wishes = app.store.key_wishes().await?;
    let wish = wishes.iter().find(|wish| wish.organization_id == id);
    Ok(wish.map_or_else(
        || id.to_string(),
        |wish| app.issuing.base_url.of_organization(&wish.organization).to_string(),
    ))
}

fn still_serving(app: &App, names: &[String]) -> AbandonError {
    AbandonError::Serving(names.join(", "), app.rotation.timing.lease.as_secs())
}

/// One key on each line.
struct List<'a>(&'a [LostKey]);

impl Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|LostKey { kid, ring, issuer, why, .. }| {
            write!(f, "\n  {kid}  {}  {issuer}: {why}", ring.algorithm)
        })
    }
}
