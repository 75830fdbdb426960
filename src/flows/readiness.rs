//! Whether this process can mint. Anybody may ask, so it tells what kind of thing is wrong and no names:
//! those are in the log and in `GET /api/keys`.

use jiff::Timestamp;
use tokio::time::timeout;

use crate::app::App;
use crate::flows::refresh_keys::{ANSWER_WITHIN, RefreshError, keys_to_sign_with};
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::keyring::{IssuerId, RingId};

const UNREADABLE: &str = "could not read the signing keys again";

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
    app.serving.looked_after_at().filter(|at| *at + app.rotation.timing.alarm_after <= now)
}

pub async fn readiness(app: &App) -> Readiness {
    let answered = timeout(ANSWER_WITHIN, app.store.ping()).await.is_ok_and(|answer| answer.is_ok());
    let database = (!answered).then_some("the database does not answer");
    let now = app.clock.now();
    let signing_key = match timeout(ANSWER_WITHIN, keys_to_sign_with(app)).await {
        Err(_) => Some("the database has not answered in time".to_owned()),
        Ok(Err(RefreshError::Barred(barred))) => Some(barred.to_string()),
        Ok(Err(RefreshError::Store(_))) => Some("the database does not answer as it should".to_owned()),
        Ok(Err(RefreshError::Load(_))) => Some(UNREADABLE.to_owned()),
        Ok(Ok(served)) => {
            let shared = RingId { issuer: IssuerId::Shared, algorithm: SigningAlgorithm::Rs256 };
            match served.keyring.signer(shared, &app.rotation, now) {
                None => Some("no key signs at the moment".to_owned()),
                Some(key) if app.serving.is_refused(key.kid()) => {
                    Some("the database records no token of the key that signs here".to_owned())
                }
                Some(key) if !app.copies.all_have(key.kid()) => {
                    Some("the signing key is not in the static copies yet".to_owned())
                }
                Some(_) => None,
            }
        }
    };
    let standing = app.serving.standing();
    let alarms = app.serving.notices().alarms();
    let mut troubles: Vec<String> = standing.trouble.iter().map(|_| UNREADABLE.to_owned()).collect();
    let (copies, rings): (Vec<_>, Vec<_>) = alarms.iter().partition(|alarm| alarm.copy.is_some());
    if !copies.is_empty() {
        troubles.push(format!("static copies that need attention: {}", copies.len()));
    }
    let shared = rings.iter().filter(|alarm| alarm.ring.issuer == IssuerId::Shared);
    troubles.extend(shared.map(|alarm| format!("{}: {}", alarm.ring.algorithm, alarm.kind)));
    if let Some(at) = stopped_looking(app, now) {
        troubles.push(format!(
            "the keys were last looked after at {at}: if the log does not say why, restart this process"
        ));
    }
    // Only how many: whose issuers there are is nobody's business.
    let own = alarms.iter().filter(|alarm| alarm.ring.issuer != IssuerId::Shared).count();
    if own > 0 {
        troubles.push(format!("{own} key rings of organizations' own issuers need attention"));
    }
    Readiness {
        database,
        signing_key,
        rotation: (!troubles.is_empty())
            .then(|| format!("{} (GET /api/keys and the log say more)", troubles.join("; "))),
        jwks_age_seconds: standing.age(now).map(|age| age.as_secs()),
    }
}
