//! Keeping up with the database: renewing this process's lease, and reading the keys when they changed.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;
use tokio::time::timeout;

use crate::app::App;
use crate::flows::load_keys::{LoadKeysError, load_keys};
use crate::serving::{Barred, Served, Standing};
use crate::store::StoreError;

/// How often strangers can make this process ask the database about keys that it does not know.
pub const SPACING: SignedDuration = SignedDuration::from_millis(100);

/// A database that takes longer is as good as none.
const LEASE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a request that can be answered without the database waits for it.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(1);

#[derive(Debug, Error)]
pub enum RefreshError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Load(#[from] LoadKeysError),
    #[error(transparent)]
    Barred(#[from] Barred),
}

/// The keys, with the right to sign with them now. Asks the database only when the lease ran out: when
/// this process slept, say.
pub async fn keys_to_sign_with(app: &App) -> Result<Arc<Served>, RefreshError> {
    if app.serving.standing().bar(&app.rotation, app.clock.now()).is_none() {
        return Ok(app.serving.served());
    }
    match refresh(app).await {
        // If the keys cannot be read again, the previous ones stay in service, here as at every look: the
        // others wait for this process to acknowledge new ones, and no token is recorded for a key that may not sign.
        Err(RefreshError::Load(_))
            if app.serving.standing().bar(&app.rotation, app.clock.now()).is_none() =>
        {
            Ok(app.serving.served())
        }
        outcome => outcome,
    }
}

/// Asks the database, unless another caller in this process did since this was called: a caller that waited
/// for a failed look does not wait for another.
pub async fn refresh(app: &App) -> Result<Arc<Served>, RefreshError> {
    app.serving.look_once(look(app)).await?;
    match app.serving.standing().bar(&app.rotation, app.clock.now()) {
        None => Ok(app.serving.served()),
        Some(barred) => Err(barred.into()),
    }
}

/// Looks for keys that this process may not know yet, at most once in `spacing`: any stranger can ask for them.
pub async fn refresh_if_older(app: &App, spacing: SignedDuration) -> Arc<Served> {
    let now = app.clock.now();
    let fresh = app.serving.standing().seen_at.is_some_and(|seen| seen <= now && now < seen + spacing);
    if !fresh {
        // A question about unknown keys is answered soon, whatever the database does.
        let _ = timeout(ANSWER_WITHIN, refresh(app)).await;
    }
    app.serving.served()
}

async fn look(app: &App) -> Result<(), RefreshError> {
    let timing = app.rotation.timing;
    let asked_at = app.clock.now();
    let renewed = timeout(LEASE_TIMEOUT, app.store.renew_lease(app.serving.replica(), timing.lease)).await;
    let hangs = |_| StoreError::Unavailable(sqlx::Error::PoolTimedOut);
    let heartbeat = renewed.map_err(hangs)??;
    let trip = Trip { asked_at, answered_at: app.clock.now(), database: heartbeat.now };
    let before = Arc::clone(&app.serving.standing());
    // A slow answer may explain what a quick one found, and does not disprove it.
    let still = before.clock_off_by.filter(|_| !trip.proves_within(timing.clock_bound));
    let clock_off_by = trip.off_by(timing.clock_bound).or(still);
    // From before the question: by then the database had not granted anything.
    let mut standing = Standing { seen_at: Some(asked_at), clock_off_by, ..Standing::clone(&before) };
    report_clock(&before, &standing);

    if before.bar(&app.rotation, asked_at).is_some() {
        // Other processes may have forgotten this one.
        app.serving.acknowledge_anew().await;
    }
    let loaded =
        if app.serving.peek().revision == heartbeat.revision { Ok(()) } else { load_keys(app).await };
    match &loaded {
        Ok(()) => {
            standing.confirmed_at = Some(asked_at);
            standing.trouble = None;
        }
        Err(error) => {
            let trouble = error.to_string();
            if before.trouble.as_ref() != Some(&trouble) {
                tracing::error!(%error, "could not read the signing keys again; the previous ones stay in service");
            }
            standing.trouble = Some(trouble);
        }
    }
    app.serving.set_standing(standing);
    loaded?;
    acknowledge(app).await?;
    Ok(())
}

/// Tells the other processes which keys are served here from now on.
async fn acknowledge(app: &App) -> Result<(), StoreError> {
    let new = app.serving.unacknowledged().await;
    if !new.kids().is_empty() {
        app.store.record_servings(&app.serving.replica().id.to_string(), new.kids()).await?;
        new.acknowledged();
    }
    Ok(())
}

/// A question to the database: when it was asked and answered by this clock, and what the database's own said
/// at some moment between.
struct Trip {
    asked_at: Timestamp,
    answered_at: Timestamp,
    database: Timestamp,
}

impl Trip {
    /// How far this clock is from the database's, if it is further than `bound` whichever moment that was.
    fn off_by(&self, bound: SignedDuration) -> Option<SignedDuration> {
        let Self { asked_at, answered_at, database } = *self;
        if asked_at > database + bound {
            Some(asked_at.duration_since(database))
        } else if answered_at + bound < database {
            Some(answered_at.duration_since(database))
        } else {
            None
        }
    }

    /// Whether it is within `bound` whichever moment that was.
    fn proves_within(&self, bound: SignedDuration) -> bool {
        self.answered_at <= self.database + bound && self.asked_at + bound >= self.database
    }
}

fn report_clock(before: &Standing, now: &Standing) {
    match (before.clock_off_by, now.clock_off_by) {
        (None, Some(off)) => tracing::error!(
            off_by_seconds = off.as_secs_f64(),
            "this machine's clock differs from the database's by more than is allowed: no tokens until it is synchronised"
        ),
        (Some(_), None) => tracing::info!("this machine's clock agrees with the database's again"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_only_if_no_moment_of_the_trip_explains_it() {
        let bound = SignedDuration::from_secs(5);
        assert_eq!(trip(100, 101, 100).off_by(bound), None);
        assert_eq!(trip(100, 101, 95).off_by(bound), None);
        assert_eq!(trip(100, 101, 94).off_by(bound), Some(SignedDuration::from_secs(6)));
        assert_eq!(trip(100, 101, 106).off_by(bound), None);
        assert_eq!(trip(100, 101, 107).off_by(bound), Some(SignedDuration::from_secs(-6)));
        // A slow answer is no reason.
        assert_eq!(trip(100, 130, 129).off_by(bound), None);
    }

    #[test]
    fn a_clock_is_right_again_only_if_every_moment_of_the_trip_says_so() {
        let bound = SignedDuration::from_secs(5);
        assert!(trip(100, 101, 100).proves_within(bound));
        assert!(trip(100, 101, 96).proves_within(bound));
        assert!(trip(100, 101, 105).proves_within(bound));
        assert!(!trip(100, 106, 100).proves_within(bound));
        assert!(!trip(100, 106, 106).proves_within(bound));
    }

    fn trip(asked_at: i64, answered_at: i64, database: i64) -> Trip {
        let at = |second| Timestamp::from_second(second).unwrap();
        Trip { asked_at: at(asked_at), answered_at: at(answered_at), database: at(database) }
    }
}
