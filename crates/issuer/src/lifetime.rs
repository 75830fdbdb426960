//! The lifetime of tokens.

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

/// The shortest lifetime that a caller may ask for.
pub const MIN_LIFETIME: SignedDuration = SignedDuration::from_mins(1);

/// How far `nbf` (RFC 7519 §4.1.5) lies before `iat`, for verifiers whose clocks are slow.
pub const NOT_BEFORE_BACKDATE: SignedDuration = SignedDuration::from_mins(5);

/// How long a token may outlive its run's deadline, so that one minted in the last second can still be used.
pub const DEADLINE_GRACE: SignedDuration = SignedDuration::from_mins(1);

/// The default and longest lifetime, checked when the configuration is read.
#[derive(Clone, Copy, Debug)]
pub struct LifetimePolicy {
    pub default: SignedDuration,
    pub max: SignedDuration,
}

/// The requested lifetime is out of bounds. All numbers are seconds.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("lifetime_seconds must be {min} to {max}, not {asked}")]
pub struct LifetimeError {
    pub min: i64,
    pub max: i64,
    pub asked: i64,
}

impl LifetimePolicy {
    /// The same policy with `limit`, if any, as its default and as an upper bound of its maximum.
    pub fn within(self, limit: Option<SignedDuration>) -> Self {
        let Some(limit) = limit else { return self };
        let max = self.max.min(limit);
        Self { default: max, max }
    }

    /// When a token minted at `now` expires: `asked` seconds later, or the default lifetime later, but never
    /// past the run's `deadline` plus `DEADLINE_GRACE`. Refuses `asked` outside of `MIN_LIFETIME` and the
    /// maximum.
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
    fn expiry_is_the_default_the_requested_lifetime_or_the_deadline() {
        assert_eq!(POLICY.expiry(at(0), at(9_000), None), Ok(at(1_800)));
        assert_eq!(POLICY.expiry(at(0), at(9_000), Some(3_600)), Ok(at(3_600)));
        assert_eq!(POLICY.expiry(at(0), at(9_000), Some(60)), Ok(at(60)));
        assert_eq!(POLICY.expiry(at(0), at(100), None), Ok(at(160)));
        assert_eq!(POLICY.expiry(at(99), at(100), None), Ok(at(160)));
    }

    #[test]
    fn a_limit_is_the_default_and_the_maximum() {
        let short = POLICY.within(Some(SignedDuration::from_mins(5)));
        assert_eq!(short.expiry(at(0), at(9_000), None), Ok(at(300)));
        assert_eq!(short.expiry(at(0), at(9_000), Some(60)), Ok(at(60)));
        let error = LifetimeError { min: 60, max: 300, asked: 301 };
        assert_eq!(short.expiry(at(0), at(9_000), Some(301)), Err(error));
        // The configured maximum still applies.
        let long = POLICY.within(Some(SignedDuration::from_hours(2)));
        assert_eq!(long.expiry(at(0), at(9_000), None), Ok(at(3_600)));
        assert_eq!(POLICY.within(None).expiry(at(0), at(9_000), None), Ok(at(1_800)));
    }

    #[test]
    fn refuses_a_lifetime_out_of_bounds() {
        for asked in [i64::MIN, -1, 0, 59, 3_601, i64::MAX] {
            let error = LifetimeError { min: 60, max: 3_600, asked };
            assert_eq!(POLICY.expiry(at(0), at(9_000), Some(asked)), Err(error));
        }
    }
}
