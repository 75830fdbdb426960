//! The times that an operator sets, and the floors below which a verifier would break.

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::life::{KeyLife, KeyState};
use super::timing::Timing;

/// What the operator decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationPolicy {
    pub rotate_every: SignedDuration,
    pub publish_ahead: SignedDuration,
    pub keep_published: SignedDuration,
    /// An active key that is older signs no more: better no token than one of a key that was forgotten.
    pub max_key_age: SignedDuration,
    /// How long the key set is served without news from the database.
    pub serve_stale: SignedDuration,
    pub timing: Timing,
}

/// A bound below which a verifier would refuse a good token.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("is at least {floor}: {why}", floor = self.floor.as_secs().to_string() + " seconds")]
pub struct FloorError {
    pub setting: &'static str,
    pub floor: SignedDuration,
    pub why: &'static str,
}

impl RotationPolicy {
    /// Refuses what could make some verifier refuse a valid token (or trust a removed key for longer than
    /// is promised). `token_lifetime_max` is the longest life of any token.
    pub fn check(&self, token_lifetime_max: SignedDuration) -> Result<(), FloorError> {
        let Timing { jwks_max_age, lease, clock_bound, publish_ahead_floor, .. } = self.timing;
        let floors = [
            (
                "serve_stale",
                self.serve_stale,
                lease,
                "a process that misses a few looks at the database would stop serving keys to every verifier",
            ),
            (
                "publish_ahead",
                self.publish_ahead,
                publish_ahead_floor,
                "AWS, Azure and Google were seen to take ten minutes to fetch new keys; Microsoft's libraries and Confluent look every five at most",
            ),
            (
                "publish_ahead",
                self.publish_ahead,
                self.serve_stale + jwks_max_age + lease + clock_bound * 2 + SignedDuration::from_millis(1),
                "it covers serve_stale and the max-age of the key set; a verifier that heeds Cache-Control (go-oidc, Envoy, Confluent) and was answered by a process cut off from the database would not know the new key",
            ),
            (
                "keep_published",
                self.keep_published,
                self.timing.keep_published_floor(token_lifetime_max),
                "it covers token_lifetime_max, five minutes of leeway and the max-age of the key set; AWS and Microsoft.IdentityModel would refuse the last tokens of the old key",
            ),
            (
                "rotate_every",
                self.rotate_every,
                self.publish_ahead + self.keep_published + self.timing.lead(),
                "it covers publish_ahead and keep_published, or a fourth key would be published; Oracle Cloud takes ten in all, others fewer",
            ),
            (
                "max_key_age",
                self.max_key_age,
                self.rotate_every + self.publish_ahead,
                "it covers rotate_every and publish_ahead, or a key that waits for an acknowledgement would stop signing and every verifier get no token",
            ),
        ];
        match floors.into_iter().find(|(_, found, floor, _)| found < floor) {
            Some((setting, _, floor, why)) => Err(FloorError { setting, floor, why }),
            None => Ok(()),
        }
    }

    /// From when `key` may sign as far as caches go.
    pub fn warm_at(&self, key: &KeyLife) -> Timestamp {
        key.published_at + self.publish_ahead
    }

    /// When a key that signs no more leaves the key set.
    pub fn leaves_at(&self, key: &KeyLife) -> Option<Timestamp> {
        let by_now = key.signs_until? + self.keep_published;
        Some(key.kept_until.map_or(by_now, |kept| kept.max(by_now)))
    }

    /// When the next key should take over from the one that signs.
    pub fn due_at(&self, active: &KeyLife) -> Option<Timestamp> {
        Some(active.signs_from? + self.rotate_every)
    }

    /// Whether `key` signs at `now`.
    pub fn signs_at(&self, key: &KeyLife, now: Timestamp) -> bool {
        key.state_at(now) == KeyState::Active
            && key.has_private_half
            && key.signs_from.is_some_and(|from| now < from + self.max_key_age)
    }
}
