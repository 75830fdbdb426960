//! The scheduler: what every process does every few seconds, so that keys follow one another by
//! themselves, and operators are told when they do not.

use jiff::Timestamp;
use thiserror::Error;

use crate::app::App;
use crate::copies::known::CopyTrouble;
use crate::domain::signing_key::Promotion;
use crate::domain::snapshot_verifier::SnapshotVerifier;
use crate::flows::make_key::{MakeKeyError, destroy_private_key, discard_key, make_key};
use crate::flows::publish_copies::publish_now;
use crate::flows::refresh_keys::{RefreshError, refresh};
use crate::serving::{KeyRef, RingNotice, Served};
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::keyring::{IssuerId, RingId};
use crate::signing::rotation::{Alarm, Hold, Step, Wish, alarm, next_step, uploads_due};
use crate::store::StoreError;

/// Steps of one ring at one look: destroy, remove, make, promote. The rest waits for the next look.
const STEPS: usize = 6;

#[derive(Debug, Error)]
pub enum RotateError {
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    #[error(transparent)]
    MakeKey(#[from] MakeKeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("it is not safe yet: {0}")]
    Held(Hold),
    #[error("there are no such signing keys")]
    NoSuchRing,
}

/// One look: reads what changed, then does what is due for every issuer and algorithm. Trouble with one
/// does not affect the others.
pub async fn look_after_keys(app: &App) -> Result<(), RotateError> {
    let mut served = refresh(app).await?;
    record_use(app, &served).await?;
    end_issuers(app, &served).await?;
    let (mut alarms, mut reminders) = (Vec::new(), Vec::new());
    let mut verifiers = None;
    for ring in rings(&served) {
        let trouble = advance(app, ring).await.err();
        if let Some(error) = &trouble {
            tracing::error!(issuer = %ring.issuer, algorithm = %ring.algorithm, %error, "could not rotate the keys; trying again");
        }
        served = app.serving.served();
        if !served.wanted.contains(&ring) {
            continue;
        }
        if let Some((kind, why)) = find_alarm(app, &served, ring, trouble.as_ref()).await {
            let what = format!("{kind}{why}");
            alarms.push(RingNotice { ring, copy: None, what, kind: kind.to_string() });
        } else if let Some(what) = find_reminder(app, &served, ring, &mut verifiers).await? {
            let kind = "a key set has to be uploaded".to_owned();
            reminders.push(RingNotice { ring, copy: None, kind, what });
        }
    }
    alarms.extend(copy_alarms(app));
    app.serving.notices().replace_alarms(alarms);
    app.serving.notices().replace_reminders(reminders);
    Ok(())
}

/// Lets the next key take over now, if that is safe.
pub async fn rotate_now(app: &App, ring: RingId) -> Result<(String, Timestamp), RotateError> {
    let served = refresh(app).await?;
    if !served.wanted.contains(&ring) {
        return Err(RotateError::NoSuchRing);
    }
    // A copy may have lost what it had an hour ago.
    let doubtful = publish_now(app).await;
    if !doubtful.is_empty() {
        return Err(RotateError::Held(Hold::Publications(doubtful)));
    }
    match app.store.promote_key(ring, app.rotation, Wish::Now).await? {
        Promotion::Scheduled { next, at } => {
            tracing::info!(kid = next, issuer = %ring.issuer, algorithm = %ring.algorithm, signs_from = %at, "rotation asked for: the next key takes over");
            refresh(app).await?;
            Ok((next, at))
        }
        Promotion::Held(hold) => Err(RotateError::Held(hold)),
        Promotion::NotDue => Err(RotateError::Held(Hold::NoNext)),
    }
}

async fn advance(app: &App, ring: RingId) -> Result<(), RotateError> {
    for _ in 0..STEPS {
        let served = app.serving.served();
        let keys = served.lives.get(&ring).map_or(&[][..], Vec::as_slice);
        let step = next_step(keys, &app.rotation, app.clock.now());
        let wanted = served.wanted.contains(&ring);
        let done = match step {
            None => return Ok(()),
            Some(Step::Destroy(key)) => destroy(app, ring, &key).await?,
            Some(Step::Remove(key)) => remove(app, &key).await?,
            Some(Step::MakeNext | Step::Promote { .. }) if !wanted => return Ok(()),
            Some(Step::MakeNext) => make_next(app, ring).await?,
            Some(Step::Promote { .. }) => promote(app, ring).await?,
        };
        if !done {
            return Ok(());
        }
        refresh(app).await?;
    }
    Ok(())
}

async fn make_next(app: &App, ring: RingId) -> Result<bool, RotateError> {
    let key = make_key(app, ring).await?;
    if app.store.publish_next_key(key.clone()).await? {
        tracing::info!(kid = key.kid, issuer = %ring.issuer, algorithm = %ring.algorithm, kept_in = key.kept_in, "next signing key published");
    } else {
        discard_key(app, &key).await;
    }
    Ok(true)
}

async fn promote(app: &App, ring: RingId) -> Result<bool, RotateError> {
    match app.store.promote_key(ring, app.rotation, Wish::WhenDue).await? {
        Promotion::Scheduled { next, at } => {
            tracing::info!(kid = next, issuer = %ring.issuer, algorithm = %ring.algorithm, signs_from = %at, "rotation: the next key takes over");
            app.store.forget_ended_replicas(app.rotation.serve_stale).await?;
            Ok(true)
        }
        Promotion::NotDue | Promotion::Held(_) => Ok(false),
    }
}

async fn destroy(app: &App, ring: RingId, key: &KeyRef) -> Result<bool, RotateError> {
    // The memory of this process may be outdated, and destroying a key is final.
    if !app.store.has_signed_its_last(&key.kid, &app.rotation).await? {
        return Ok(false);
    }
    let private_key = key.private_key.as_deref().unwrap_or_default();
    destroy_private_key(app, &key.kid, ring, &key.kept_in, private_key).await?;
    app.store.forget_private_key(key.kid.clone(), &app.rotation).await?;
    tracing::info!(kid = key.kid, "private half destroyed: the key signs no more");
    Ok(true)
}

async fn remove(app: &App, key: &KeyRef) -> Result<bool, RotateError> {
    if app.store.remove_key(key.kid.clone(), app.rotation).await? {
        tracing::info!(kid = key.kid, "signing key removed from the key set");
    }
    Ok(true)
}

/// Those that are wanted first; those that only have to go after them.
fn rings(served: &Served) -> Vec<RingId> {
    let mut rings = served.wanted.clone();
    let others = served.lives.keys().filter(|ring| !served.wanted.contains(ring));
    rings.extend(others);
    rings
}

async fn end_issuers(app: &App, served: &Served) -> Result<(), RotateError> {
    for issuer in &served.ended {
        let IssuerId::Organization(id) = issuer else { continue };
        let mut lives =
            served.lives.iter().filter(|(ring, _)| ring.issuer == *issuer).flat_map(|(_, keys)| keys);
        if lives.any(|(_, key)| key.is_designated() || key.waits()) {
            app.store.end_issuer(*id).await?;
            refresh(app).await?;
        }
    }
    Ok(())
}

/// Moves what this process counted into the record.
async fn record_use(app: &App, served: &Served) -> Result<(), StoreError> {
    for (issuer, publication) in &served.publications {
        let fetched = publication.take_last_fetched();
        for (_, key) in served.keyring.all().filter(|(ring, _)| ring.issuer == *issuer) {
            let signatures = key.signing_key.as_ref().map_or(0, |key| key.take_signatures());
            if signatures == 0 && fetched.is_none() {
                continue;
            }
            let count = i64::try_from(signatures).unwrap_or(i64::MAX);
            if let Err(error) = app.store.record_key_use(&key.kid, count, fetched).await {
                if let Some(key) = &key.signing_key {
                    key.return_signatures(signatures);
                }
                return Err(error);
            }
        }
    }
    Ok(())
}

async fn find_alarm(
    app: &App,
    served: &Served,
    ring: RingId,
    trouble: Option<&RotateError>,
) -> Option<(Alarm, String)> {
    let keys = served.lives.get(&ring).map_or(&[][..], Vec::as_slice);
    let found = alarm(keys, &app.rotation, app.clock.now())?;
    // Before its first key, an algorithm that was added is not missed.
    if matches!(found, Alarm::NothingSigns(Some(_)))
        && ring.algorithm != SigningAlgorithm::Rs256
        && !served.keyring.has_begun(ring, app.clock.now())
    {
        return None;
    }
    let why = match (trouble, &found) {
        (Some(error), _) => format!(": {error}"),
        (None, Alarm::Overdue(_)) => match app.store.promote_key(ring, app.rotation, Wish::WhenDue).await {
            Ok(Promotion::Held(hold)) => format!(": {hold}"),
            Ok(_) => return None,
            Err(error) => format!(": {error}"),
        },
        (None, _) => String::new(),
    };
    Some((found, why))
}

/// A copy has the keys of all issuers: it counts with the one that always is.
fn copy_alarms(app: &App) -> Vec<RingNotice> {
    let ring = RingId { issuer: IssuerId::Shared, algorithm: SigningAlgorithm::Rs256 };
    let troubles = app.copies.troubles();
    let notice = |(target, trouble): (&String, &CopyTrouble)| RingNotice {
        ring,
        copy: Some(target.clone()),
        kind: "a static copy needs attention".to_owned(),
        what: trouble.what.clone(),
    };
    troubles.iter().map(notice).collect()
}

/// The uploads that an operator must make before the next rotation, once it is near.
/// `verifiers` are read once for all issuers of a look.
async fn find_reminder(
    app: &App,
    served: &Served,
    ring: RingId,
    verifiers: &mut Option<Vec<SnapshotVerifier>>,
) -> Result<Option<String>, StoreError> {
    let keys = served.lives.get(&ring).map_or(&[][..], Vec::as_slice);
    let Some((kid, due)) = uploads_due(keys, &app.rotation, app.clock.now()) else { return Ok(None) };
    let verifiers = match verifiers {
        Some(read) => read,
        None => verifiers.insert(app.store.snapshot_verifiers().await?),
    };
    let without = verifiers.iter().filter(|one| one.issuer == ring.issuer && !one.has.contains(&kid.kid));
    let names: Vec<&str> = without.map(|one| one.name.as_str()).collect();
    let reminder = || {
        let (kid, names) = (&kid.kid, names.join(", "));
        format!(
            "key {kid} is to sign from {due} and waits until it is uploaded to: {names} (`runmint keys export --public`, then `runmint keys acknowledge --jwks`)"
        )
    };
    Ok((!names.is_empty()).then(reminder))
}
