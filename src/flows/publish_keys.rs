//! Static copies of discovery and key sets, for issuers that an object store or a CDN answers for.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::SignedDuration;
use thiserror::Error;

use crate::app::App;
use crate::flows::refresh_keys::{RefreshError, refresh};
use crate::issuer::discovery::{CONFIGURATION_PATH, JWKS_PATH};
use crate::publishing::{Object, PublishError, Target};
use crate::served::Served;
use crate::store::StoreError;
use crate::store::publications::PublicationRecord;

/// What nobody has asked for in this time is not waited for any more: it left the configuration.
const KEEP: SignedDuration = SignedDuration::from_hours(1);
/// How often a copy is compared with what it should be though nothing changed: others can write there, too.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// How long writing one object may take, with everything around it.
const CLAIM_PER_OBJECT: SignedDuration = SignedDuration::from_secs(25);

#[derive(Debug, Error)]
pub enum PublishKeysError {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes what changed to every target, in turn with the other processes. Trouble with one target leaves
/// the others alone.
pub async fn publish_keys(app: &App) -> Result<(), StoreError> {
    for target in &app.publish_to {
        let name = target.to_string();
        app.store.want_publication(&name, KEEP).await?;
        let records = app.store.publications().await?;
        let record = records.iter().find(|record| record.target == name);
        if is_outdated(app, record)
            && let Some(error) = publish_to(app, target, &name).await.err()
        {
            tracing::error!(target = name, %error, "the static copy could not be written; no new key will sign before it is");
        }
    }
    know_published(app).await
}

/// What is written where, key sets before the documents that refer to them.
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

fn is_outdated(app: &App, record: Option<&PublicationRecord>) -> bool {
    let revision = app.served.load().revision;
    let again = app.rotation.timing.scaled(LOOK_AGAIN);
    record.is_none_or(|record| {
        record.revision != Some(revision) || record.written_at.is_none_or(|at| at + again <= app.clock.now())
    })
}

async fn publish_to(app: &App, target: &Target, name: &str) -> Result<(), PublishKeysError> {
    let objects = i32::try_from(documents(&app.served.load()).len()).unwrap_or(i32::MAX);
    if !app.store.claim_publication(name, app.replica.id, CLAIM_PER_OBJECT * (objects + 2)).await? {
        return Ok(());
    }
    // What another process wrote meanwhile must not be overwritten with something older.
    let served = refresh(app).await?;
    let seconds = app.rotation.timing.jwks_max_age.as_secs().max(1);
    let published = target.publish(&documents(&served), &format!("public, max-age={seconds}")).await?;
    app.store.record_publication(name, app.replica.id, served.revision).await?;
    let kids: Vec<String> = served.keyring.all().map(|(_, key)| key.kid.clone()).collect();
    app.store.record_servings(name, &kids).await?;
    let written = published.iter().filter(|one| one.outcome == crate::publishing::Outcome::Written).count();
    if written > 0 {
        tracing::info!(target = name, written, "static copy written and read back");
    }
    Ok(())
}

/// Remembers which keys are in every copy: no other may sign.
async fn know_published(app: &App) -> Result<(), StoreError> {
    if app.publish_to.is_empty() {
        return Ok(());
    }
    let servings = app.store.servings().await?;
    let in_copy = |target: &str| -> HashSet<String> {
        servings.iter().filter(|(_, by, _)| by == target).map(|(kid, ..)| kid.clone()).collect()
    };
    let copies = app.publish_to.iter().map(|target| in_copy(&target.to_string()));
    let in_all = copies.reduce(|all, copy| all.intersection(&copy).cloned().collect());
    app.published.store(Arc::new(in_all.unwrap_or_default()));
    Ok(())
}
