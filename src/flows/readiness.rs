//! Whether this process can mint.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use tokio::time::timeout;

use crate::app::App;
use crate::flows::publish_keys::is_in_copies;
use crate::flows::refresh_keys::{ANSWER_WITHIN, keys_to_sign_with};
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::keyring::{IssuerId, RingId};

/// Each part with what is wrong with it, or `None`.
pub struct Readiness {
    pub database: Option<&'static str>,
    pub signing_key: Option<String>,
    /// What an operator must be told. A process with it can still mint.
    pub rotation: Option<String>,
    pub jwks_age_seconds: Option<i64>,
}

impl Readiness {
    pub fn is_ready(&self) -> bool {
        self.database.is_none() && self.signing_key.is_none()
    }
}

/// When the scheduler last did its work, if that is too long ago.
pub fn stopped_looking(app: &App, now: Timestamp) -> Option<Timestamp> {
    let at = Timestamp::from_millisecond(app.looked_after_at.load(Ordering::Relaxed)).ok()?;
    (at > Timestamp::UNIX_EPOCH && at + app.rotation.timing.alarm_after <= now).then_some(at)
}

pub async fn readiness(app: &App) -> Readiness {
    let answered = timeout(ANSWER_WITHIN, app.store.ping()).await.is_ok_and(|answer| answer.is_ok());
    let database = (!answered).then_some("the database does not answer");
    let now = app.clock.now();
    let signing_key = match timeout(ANSWER_WITHIN, keys_to_sign_with(app)).await {
        Err(_) => Some("the database has not answered in time".to_owned()),
        Ok(Err(error)) => Some(error.to_string()),
        Ok(Ok(served)) => {
            let shared = RingId { issuer: IssuerId::Shared, algorithm: SigningAlgorithm::Rs256 };
            match served.keyring.signer(shared, &app.rotation, now) {
                None => Some("no key signs at the moment".to_owned()),
                Some(key) if app.refused_key.load().as_deref().is_some_and(|kid| kid == key.kid()) => {
                    Some("the database records no token of the key that signs here".to_owned())
                }
                Some(key) if !is_in_copies(app, key.kid()) => {
                    Some("the signing key is not in the static copies yet".to_owned())
                }
                Some(_) => None,
            }
        }
    };
    let standing = app.standing.load();
    let alarms = app.alarms.load();
    let mut troubles: Vec<String> = standing.trouble.iter().cloned().collect();
    // Only how many: whose issuers there are is nobody's business.
    let (copies, rings): (Vec<_>, Vec<_>) = alarms.iter().partition(|alarm| alarm.copy.is_some());
    troubles.extend(copies.into_iter().map(|alarm| alarm.what.clone()));
    if let Some(first) = rings.iter().find(|alarm| alarm.ring.issuer == IssuerId::Shared) {
        troubles.push(format!("{}: {}", first.ring.algorithm, first.what));
    }
    if let Some(at) = stopped_looking(app, now) {
        troubles.push(format!(
            "the keys were last looked after at {at}; the log says why, else restart this process"
        ));
    }
    let own = alarms.iter().filter(|alarm| alarm.ring.issuer != IssuerId::Shared).count();
    if own > 0 {
        troubles
            .push(format!("{own} key rings of organizations' own issuers need attention; the log says more"));
    }
    Readiness {
        database,
        signing_key,
        rotation: (!troubles.is_empty()).then(|| troubles.join("; ")),
        jwks_age_seconds: standing.age(now).map(|age| age.as_secs()),
    }
}
