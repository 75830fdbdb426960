//! Static copies of discovery and key sets, for issuers that an object store or a CDN answers for.

use std::collections::HashSet;
use std::time::Duration;

use jiff::SignedDuration;
use thiserror::Error;
use tokio::time::{sleep, timeout};

use crate::app::App;
use crate::copies::known::CopyTrouble;
use crate::copies::{Object, Outcome, PublishError, Target};
use crate::domain::static_copy::CopyRecord;
use crate::flows::refresh_keys::{RefreshError, refresh};
use crate::issuer::discovery::{CONFIGURATION_PATH, JWKS_PATH};
use crate::serving::Served;
use crate::store::StoreError;

/// A target that no process has asked for in this time has left the configuration: stop waiting for it.
const KEEP: SignedDuration = SignedDuration::from_hours(1);
/// How often a copy is compared with what it should be though nothing changed: others can write there, too.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// The same when a key is about to take over, and how long before that begins: a copy that was lost has to
/// have its keys for the max-age again.
const LOOK_AGAIN_NEAR: SignedDuration = SignedDuration::from_mins(1);
const NEAR: SignedDuration = SignedDuration::from_mins(15);
/// How long a process may write one object before it must claim the next.
const CLAIM: SignedDuration = SignedDuration::from_secs(25);
/// A disk is no faster in a test.
const CLAIM_AT_LEAST: SignedDuration = SignedDuration::from_secs(3);
/// How many looks a process leaves to the others after it failed.
const PAUSE: u32 = 3;
/// How long to say that a copy had been changed, once it is mended: longer than alarms take to be noticed.
const SAY_CHANGED: SignedDuration = SignedDuration::from_mins(10);
/// How long a caller waits for the copies.
const AT_ONCE: Duration = Duration::from_secs(5);
const TURN_AGAIN: Duration = Duration::from_millis(50);

#[derive(Debug, Error)]
enum PublishCopiesError {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The outcome of a turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Done,
    /// Another process writes.
    Others,
    Failed,
}

/// The state in which a copy was found when it was written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    AsExpected,
    Changed,
}

/// Writes what changed to every target, in turn with the other processes. Trouble with one target does
/// not affect the others.
pub async fn publish_copies(app: &App) -> Result<(), StoreError> {
    let _one_at_a_time = app.copies.lock().await;
    for target in app.copies.targets() {
        let name = target.to_string();
        app.store.want_copy(&name, KEEP).await?;
        let records = app.store.copies().await?;
        let record = records.iter().find(|record| record.target == name);
        if !is_outdated(app, record) {
            app.copies.forget_trouble(&name, app.clock.now());
        } else if !leaves_to_others(app, &name) {
            take_turn(app, target, &name).await?;
        }
    }
    know_published(app).await
}

/// Compares and writes every copy now, while the caller waits. Returns the names of doubtful copies.
pub async fn publish_now(app: &App) -> Vec<String> {
    let each = async {
        let _one_at_a_time = app.copies.lock().await;
        let mut doubtful = Vec::new();
        for target in app.copies.targets() {
            let name = target.to_string();
            if !matches!(take_next_turn(app, target, &name).await, Ok(Turn::Done)) {
                doubtful.push(name);
            }
        }
        if let Err(error) = know_published(app).await {
            tracing::error!(%error, "could not read what is in the static copies; trying again");
        }
        doubtful
    };
    let all = || app.copies.names().collect();
    timeout(AT_ONCE, each).await.unwrap_or_else(|_| all())
}

/// The objects to write, key sets before the documents that refer to them.
pub fn documents(served: &Served) -> Vec<Object> {
    let mut publications: Vec<_> = served.publications.values().collect();
    publications.sort_by_key(|publication| publication.issuer.as_str().to_owned());
    let object = |path: &str, below: &str, body: &[u8]| Object {
        path: format!("{path}{below}").trim_start_matches('/').to_owned(),
        body: body.to_vec(),
    };
    publications
        .into_iter()
        .flat_map(|publication| {
            let path = publication.issuer.path();
            [
                object(path, JWKS_PATH, &publication.jwks.body),
                object(path, CONFIGURATION_PATH, &publication.configuration.body),
            ]
        })
        .collect()
}

fn is_outdated(app: &App, record: Option<&CopyRecord>) -> bool {
    let (timing, now) = (app.rotation.timing, app.clock.now());
    let served = app.serving.peek();
    let again = timing.scaled(if promotion_is_near(app, &served) { LOOK_AGAIN_NEAR } else { LOOK_AGAIN });
    record.is_none_or(|record| {
        record.revision != Some(served.revision) || record.written_at.is_none_or(|at| at + again <= now)
    })
}

fn promotion_is_near(app: &App, served: &Served) -> bool {
    let soon = app.clock.now() + app.rotation.timing.scaled(NEAR);
    let mut keys = served.wanted.iter().filter_map(|ring| served.lives.get(ring)).flatten();
    keys.any(|(_, key)| key.is_designated() && app.rotation.due_at(key).is_some_and(|due| due <= soon))
}

async fn take_next_turn(app: &App, target: &Target, name: &str) -> Result<Turn, StoreError> {
    app.store.want_copy(name, KEEP).await?;
    loop {
        match take_turn(app, target, name).await? {
            Turn::Others => sleep(TURN_AGAIN).await,
            turn => return Ok(turn),
        }
    }
}

async fn take_turn(app: &App, target: &Target, name: &str) -> Result<Turn, StoreError> {
    let error = match publish_to(app, target, name).await {
        Ok(None) => return Ok(Turn::Others),
        Ok(Some(found)) => {
            note_found(app, name, found);
            return Ok(Turn::Done);
        }
        Err(error) => error,
    };
    let what = format!("could not write the static copy, so no other key takes over: {error}");
    app.copies.note_trouble(name, CopyTrouble { what, pause: PAUSE, until: None });
    if matches!(error, PublishCopiesError::Publish(_)) {
        app.store.distrust_copy(name, app.serving.replica().id).await?;
    }
    app.store.release_claims(app.serving.replica().id).await?;
    Ok(Turn::Failed)
}

/// `None` while another process writes.
async fn publish_to(app: &App, target: &Target, name: &str) -> Result<Option<Found>, PublishCopiesError> {
    let (store, by) = (&app.store, app.serving.replica().id);
    let claim = app.rotation.timing.scaled(CLAIM).max(CLAIM_AT_LEAST);
    let Some(claimed) = store.claim_copy(name, by, claim).await? else { return Ok(None) };
    // Read the keys after the claim: older documents must not replace newer ones.
    let served = refresh(app).await?;
    let seconds = app.rotation.timing.jwks_max_age.as_secs().max(1);
    let cache_control = format!("public, max-age={seconds}");
    let mut written = 0;
    let mut key_set_written = false;
    for object in documents(&served) {
        // A process that was paused finds out here that others have gone on.
        if !store.renew_claim(name, by, claim).await? {
            return Ok(None);
        }
        if write(target, &object, &cache_control, claim).await? == Outcome::Written {
            written += 1;
            key_set_written |= object.path.ends_with(JWKS_PATH);
        }
    }
    if !store.renew_claim(name, by, claim).await? {
        return Ok(None);
    }
    let changed = key_set_written && claimed.revision == Some(served.revision);
    if changed {
        // Verifiers may have been given something else for any length of time.
        store.distrust_copy(name, by).await?;
    }
    let kids: Vec<String> = served.keyring.all().map(|(_, key)| key.kid.clone()).collect();
    store.record_servings(name, &kids).await?;
    if !store.record_copy(name, by, served.revision).await? {
        return Ok(None);
    }
    if written > 0 {
        tracing::info!(target = name, written, "static copy written and read back");
    }
    Ok(Some(if changed { Found::Changed } else { Found::AsExpected }))
}

/// Gives up before the claim ends.
async fn write(
    target: &Target,
    object: &Object,
    cache_control: &str,
    claim: SignedDuration,
) -> Result<Outcome, PublishError> {
    let within = claim.unsigned_abs() * 4 / 5;
    let too_late = || PublishError::TooLate {
        path: object.path.clone(),
        target: target.to_string(),
        seconds: within.as_secs(),
    };
    let published = timeout(within, target.publish(std::slice::from_ref(object), cache_control)).await;
    let published = published.map_err(|_| too_late())??;
    Ok(published.first().map_or(Outcome::Unchanged, |one| one.outcome))
}

/// After a failure others go first: what one process cannot write another may.
fn leaves_to_others(app: &App, name: &str) -> bool {
    let Some(trouble) = app.copies.troubles().get(name).cloned() else { return false };
    let Some(pause) = trouble.pause.checked_sub(1) else { return false };
    app.copies.note_trouble(name, CopyTrouble { pause, ..trouble });
    true
}

fn note_found(app: &App, name: &str, found: Found) {
    match found {
        Found::AsExpected => app.copies.forget_trouble(name, app.clock.now()),
        Found::Changed => {
            let what = "the static copy was lost or changed by another writer and was written again; the next key waits until verifiers can have seen it: find out what else writes there".to_owned();
            let until = app.clock.now() + app.rotation.timing.scaled(SAY_CHANGED);
            app.copies.note_trouble(name, CopyTrouble { what, pause: 0, until: Some(until) });
        }
    }
}

/// Remembers which keys are in every copy: no other may sign.
async fn know_published(app: &App) -> Result<(), StoreError> {
    if app.copies.targets().is_empty() {
        return Ok(());
    }
    let servings = app.store.servings().await?;
    let in_copy = |target: &str| -> HashSet<String> {
        servings.iter().filter(|(_, by, _)| by == target).map(|(kid, ..)| kid.clone()).collect()
    };
    let copies = app.copies.names().map(|target| in_copy(&target));
    let in_all = copies.reduce(|all, copy| all.intersection(&copy).cloned().collect());
    app.copies.know(in_all.unwrap_or_default());
    Ok(())
}
