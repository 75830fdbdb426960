//! The keys as an operator sees them.

use std::collections::HashSet;

use jiff::Timestamp;

use crate::app::App;
use crate::domain::organization::Organization;
use crate::domain::replica::ReplicaRecord;
use crate::domain::signing_key::{SigningKeyRecord, Which};
use crate::domain::snapshot_verifier::SnapshotVerifier;
use crate::domain::static_copy::CopyRecord;
use crate::signing::keyring::IssuerId;
use crate::signing::rotation::KeyState;
use crate::store::StoreError;

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

/// The keys of one issuer, or of all; with keys that are no longer published if `which` says so.
pub async fn key_timeline(
    app: &App,
    issuer: Option<IssuerId>,
    which: Which,
) -> Result<KeyTimeline, StoreError> {
    let now = app.store.now().await?;
    let (_, records) = app.store.signing_keys(which).await?;
    let acknowledgements = Acknowledgements::read(app, now).await?;
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
                    acknowledgements.missing(&record.kid, record.ring.issuer)
                } else {
                    Vec::new()
                },
                record,
            }
        })
        .collect();
    Ok(KeyTimeline { now, keys, replicas: acknowledgements.replicas })
}

/// The processes, static copies and uploaded key sets of `issuer` that are not known to have this key.
pub async fn not_acknowledged(app: &App, kid: &str, issuer: IssuerId) -> Result<Vec<String>, StoreError> {
    let now = app.store.now().await?;
    Ok(Acknowledgements::read(app, now).await?.missing(kid, issuer))
}

/// Who is known to have which keys.
struct Acknowledgements {
    replicas: Vec<ReplicaRecord>,
    publications: Vec<CopyRecord>,
    verifiers: Vec<SnapshotVerifier>,
    /// Key ids with processes and static copies, for as long as caches live.
    served: HashSet<(String, String)>,
}

impl Acknowledgements {
    async fn read(app: &App, now: Timestamp) -> Result<Self, StoreError> {
        let latest = now - app.rotation.timing.jwks_max_age;
        let servings = app.store.servings().await?.into_iter().filter(|(_, _, since)| *since <= latest);
        Ok(Self {
            replicas: app.store.live_replicas().await?,
            publications: app.store.copies().await?,
            verifiers: app.store.snapshot_verifiers().await?,
            served: servings.map(|(kid, by, _)| (kid, by)).collect(),
        })
    }

    fn missing(&self, kid: &str, issuer: IssuerId) -> Vec<String> {
        let serves = |by: &str| self.served.contains(&(kid.to_owned(), by.to_owned()));
        let processes = self.replicas.iter().filter(|one| !serves(&one.id.to_string())).map(|one| &one.name);
        let copies = self.publications.iter().map(|one| &one.target).filter(|target| !serves(target));
        let has = |one: &SnapshotVerifier| one.has.iter().any(|has| has == kid);
        let uploads = self.verifiers.iter().filter(|one| one.issuer == issuer && !has(one));
        processes.chain(copies).chain(uploads.map(|one| &one.name)).cloned().collect()
    }
}

/// The issuer that an organization's tokens come from, if it is its own.
pub fn own_issuer(organization: &Organization) -> Option<IssuerId> {
    organization.keys.own_issuer.then_some(IssuerId::Organization(organization.id))
}
