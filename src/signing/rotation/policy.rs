//! The times that an operator sets, and the floors below which a verifier would break.

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::life::{KeyLife, KeyState};
use super::timing::Timing;

/// The times that an operator sets. Each field but `timing` is a setting of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationPolicy {
    /// How long a key signs.
    pub rotate_every: SignedDuration,
    /// How long a key is published before it signs.
    pub publish_ahead: SignedDuration,
    /// How long a key is published after it signed.
    pub keep_published: SignedDuration,
    /// An active key that has signed for this long stops signing: better no token than one from a forgotten
    /// key.
    pub max_key_age: SignedDuration,
    /// How long the key set is served while the database is unreachable.
    pub serve_stale: SignedDuration,
    pub timing: Timing,
}

/// A setting is below the floor at which some verifier would refuse a valid token.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("must be at least {floor}: {why}", floor = self.floor.as_secs().to_string() + " seconds")]
pub struct FloorError {
    /// The name of the setting.
    pub setting: &'static str,
    pub floor: SignedDuration,
    pub why: &'static str,
}

impl RotationPolicy {
    /// Checks that no setting could make a verifier refuse a valid token, or trust a removed key for longer
    /// than promised. `token_lifetime_max` is the longest lifetime of any token. The error names the first
    /// setting that is too short.
    pub fn check(&self, token_lifetime_max: SignedDuration) -> Result<(), FloorError> {
        match self.floors(token_lifetime_max).into_iter().find(|(_, found, floor, _)| found < floor) {
            Some((setting, _, floor, why)) => Err(FloorError { setting, floor, why }),
            None => Ok(()),
        }
    }

    /// When every cache of the key set holds `key`, so that it may sign.
    pub fn warm_at(&self, key: &KeyLife) -> Timestamp {
        key.published_at + self.publish_ahead
    }

    /// When `key` leaves the key set. `None` until its end is decided.
    pub fn leaves_at(&self, key: &KeyLife) -> Option<Timestamp> {
        let by_now = key.signs_until? + self.keep_published;
        Some(key.kept_until.map_or(by_now, |kept| kept.max(by_now)))
    }

    /// When the next key should take over from `active`. `None` until `active` has a start.
    pub fn due_at(&self, active: &KeyLife) -> Option<Timestamp> {
        Some(active.signs_from? + self.rotate_every)
    }

    /// Whether `key` signs at `now`.
    pub fn signs_at(&self, key: &KeyLife, now: Timestamp) -> bool {
        key.state_at(now) == KeyState::Active
            && key.has_private_half
            && key.signs_from.is_some_and(|from| now < from + self.max_key_age)
    }

    /// Each setting with its value, its floor and the reason for the floor.
    fn floors(
        &self,
        token_lifetime_max: SignedDuration,
    ) -> [(&'static str, SignedDuration, SignedDuration, &'static str); 6] {
        let Timing { jwks_max_age, lease, clock_bound, publish_ahead_floor, .. } = self.timing;
        [
            (
                "serve_stale",
                self.serve_stale,
                lease,
                "a process that fails to reach the database a few times would stop serving keys to every verifier",
            ),
            (
                "publish_ahead",
                self.publish_ahead,
                publish_ahead_floor,
                "AWS, Azure and Google were observed to take ten minutes to fetch new keys; Microsoft's libraries and Confluent fetch them at most every five",
            ),
            (
                "publish_ahead",
                self.publish_ahead,
                self.serve_stale + jwks_max_age + lease + clock_bound * 2 + SignedDuration::from_millis(1),
                "it covers serve_stale and the max-age of the key set; a verifier that honors Cache-Control (go-oidc, Envoy, Confluent) and was answered by a process that had lost the database would not know the new key",
            ),
            (
                "keep_published",
                self.keep_published,
                self.timing.keep_published_floor(token_lifetime_max),
                "it covers token_lifetime_max, five minutes of leeway and the max-age of the key set; AWS and Microsoft.IdentityModel would refuse the last tokens of the previous key",
            ),
            (
                "rotate_every",
                self.rotate_every,
                self.publish_ahead + self.keep_published + self.timing.lead(),
                "it covers publish_ahead and keep_published, or a fourth key would be published; Oracle Cloud accepts ten in all, other verifiers fewer",
            ),
            (
                "max_key_age",
                self.max_key_age,
                self.rotate_every + self.publish_ahead,
                "it covers rotate_every and publish_ahead, or the active key would stop signing while the next one waits for an acknowledgement, and every verifier would get no token",
            ),
        ]
    }
}
