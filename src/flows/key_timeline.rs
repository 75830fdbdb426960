//! What an operator wants to know of the keys.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::app::App;
use crate::signing::keyring::IssuerId;
use crate::signing::rotation::KeyState;
use crate::store::StoreError;
use crate::store::organizations::Organization;
use crate::store::replicas::ReplicaRecord;
use crate::store::signing_keys::{SigningKeyRecord, Which};

pub struct KeyTimeline {
    /// By the database's clock.
    pub now: Timestamp,
    pub keys: Vec<TimelineKey>,
    pub replicas: Vec<ReplicaRecord>,
}

/// A key with everything that was, is and will be.
pub struct TimelineKey {
    pub record: SigningKeyRecord,
    pub state: KeyState,
    /// From when it may sign as far as caches go.
    pub warm_at: Timestamp,
    /// When the next key should take over from it.
    pub due_at: Option<Timestamp>,
    /// When it leaves the key set.
    pub leaves_at: Option<Timestamp>,
    /// Processes, static copies and uploaded key sets that are not known to have it.
    pub not_acknowledged: Vec<String>,
}

/// The keys of one issuer, or of all; with those that are not published any more when `which` says so.
pub async fn key_timeline(
    app: &App,
    issuer: Option<IssuerId>,
    which: Which,
) -> Result<KeyTimeline, StoreError> {
    let now = app.store.now().await?;
    let (_, records) = app.store.signing_keys(which).await?;
    let replicas = app.store.live_replicas().await?;
    let mut served: HashMap<String, Vec<(String, Timestamp)>> = HashMap::new();
    for (kid, by, since) in app.store.servings().await? {
        served.entry(kid).or_default().push((by, since));
    }
    let publications = app.store.publications().await?;
    let verifiers = app.store.snapshot_verifiers().await?;
    let not_acknowledged = |record: &SigningKeyRecord| {
        let since = now - app.rotation.timing.jwks_max_age;
        let by = served.get(&record.kid).map_or(&[][..], Vec::as_slice);
        let serves = |id: &str| by.iter().any(|(one, from)| one == id && *from <= since);
        let processes =
            replicas.iter().filter(|one| !serves(&one.id.to_string())).map(|one| one.name.clone());
        let copies = publications.iter().filter(|one| !serves(&one.target)).map(|one| one.target.clone());
        let uploads = verifiers
            .iter()
            .filter(|one| one.issuer == record.ring.issuer && !one.has.contains(&record.kid))
            .map(|one| one.name.clone());
        processes.chain(copies).chain(uploads).collect()
    };
    let of_issuer = |record: &SigningKeyRecord| issuer.is_none_or(|issuer| record.ring.issuer == issuer);
    let keys = records
        .into_iter()
        .filter(of_issuer)
        .map(|record| {
            let state = record.life.state_at(now);
            TimelineKey {
                state,
                warm_at: app.rotation.warm_at(&record.life),
                due_at: record.life.is_designated().then(|| app.rotation.due_at(&record.life)).flatten(),
                leaves_at: app.rotation.leaves_at(&record.life).filter(|_| state.is_published()),
                not_acknowledged: if state == KeyState::Next {
                    not_acknowledged(&record)
                } else {
                    Vec::new()
                },
                record,
            }
        })
        .collect();
    Ok(KeyTimeline { now, keys, replicas })
}

/// The issuer that an organization's tokens come from, if it is its own.
pub fn own_issuer(organization: &Organization) -> Option<IssuerId> {
    organization.keys.own_issuer.then_some(IssuerId::Organization(organization.id))
}
