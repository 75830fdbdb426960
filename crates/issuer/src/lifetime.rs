//! How long a token is valid.

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

pub const MIN_LIFETIME: SignedDuration = SignedDuration::from_mins(1);

/// `nbf` lies this far back, for verifiers whose clocks are slow.
pub const NOT_BEFORE_BACKDATE: SignedDuration = SignedDuration::from_mins(5);

/// A token may outlive its run's deadline by this much, so that one asked for in the last second
/// can still be used.
pub const DEADLINE_GRACE: SignedDuration = SignedDuration::from_mins(1);

/// Configured bounds, checked when the configuration is read.
#[derive(Clone, Copy, Debug)]
pub struct LifetimePolicy {
    pub default: SignedDuration,
    pub max: SignedDuration,
}

#[derive(Debug, Error, PartialEq, Eq)]
#[error("lifetime_seconds must be {min} to {max}, not {asked}")]
pub struct LifetimeError {
    pub min: i64,
    pub max: i64,
    pub asked: i64,
}

impl LifetimePolicy {
    /// The same with a shorter life by default and at most, where `limit` is one.
    pub fn within(self, limit: Option<SignedDuration>) -> Self {
        let Some(limit) = limit else { return self };
        let max = self.max.min(limit);
        Self { default: max, max }
    }

    /// When a token made at `now` expires: `asked` seconds later (the default when none are asked
    /// for), but never past the run's `deadline` and its grace.
    pub fn expiry(
        &self,
        now: Timestamp,
        deadline: Timestamp,
        asked: Option<i64>,
    ) -> Result<Timestamp, LifetimeError> {
        let lifetime = match asked {
            None => self.default,
            Some(seconds) => {
                let (min, max) = (MIN_LIFETIME.as_secs(), self.max.as_secs());
                if !(min..=max).contains(&seconds) {
                    return Err(LifetimeError { min, max, asked: seconds });
                }
                SignedDuration::from_secs(seconds)
            }
        };
        Ok((now + lifetime).min(deadline + DEADLINE_GRACE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: LifetimePolicy =
        LifetimePolicy { default: SignedDuration::from_mins(30), max: SignedDuration::from_hours(1) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn takes_the_default_what_was_asked_or_what_the_deadline_leaves() {
        assert_eq!(POLICY.expiry(at(0), at(9_000), None), Ok(at(1_800)));
        assert_eq!(POLICY.expiry(at(0), at(9_000), Some(3_600)), Ok(at(3_600)));
        assert_eq!(POLICY.expiry(at(0), at(9_000), Some(60)), Ok(at(60)));
        assert_eq!(POLICY.expiry(at(0), at(100), None), Ok(at(160)));
        assert_eq!(POLICY.expiry(at(99), at(100), None), Ok(at(160)));
    }

    #[test]
    fn a_limit_is_the_default_and_the_most() {
        let short = POLICY.within(Some(SignedDuration::from_mins(5)));
        assert_eq!(short.expiry(at(0), at(9_000), None), Ok(at(300)));
        assert_eq!(short.expiry(at(0), at(9_000), Some(60)), Ok(at(60)));
        let error = LifetimeError { min: 60, max: 300, asked: 301 };
        assert_eq!(short.expiry(at(0), at(9_000), Some(301)), Err(error));
        // What is configured stays the most.
        let long = POLICY.within(Some(SignedDuration::from_hours(2)));
        assert_eq!(long.expiry(at(0), at(9_000), None), Ok(at(3_600)));
        assert_eq!(POLICY.within(None).expiry(at(0), at(9_000), None), Ok(at(1_800)));
    }

    #[test]
    fn refuses_what_is_out_of_bounds() {
        for asked in [i64::MIN, -1, 0, 59, 3_601, i64::MAX] {
            let error = LifetimeError { min: 60, max: 3_600, asked };
            assert_eq!(POLICY.expiry(at(0), at(9_000), Some(asked)), Err(error));
        }
    }
}
