//! The fixed times of rotation: leases, caches, clocks.

use jiff::SignedDuration;

/// The fixed times of rotation. They scale together, so that a test can run through months in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long verifiers may cache the key set: the `max-age` of its responses (RFC 9111 §5.2.2.1).
    pub jwks_max_age: SignedDuration,
    /// How often a process renews its lease and checks for changed keys.
    pub refresh_every: SignedDuration,
    /// How long a process may sign after it last reached the database.
    pub lease: SignedDuration,
    /// How far a process's clock may deviate from the database's.
    pub clock_bound: SignedDuration,
    /// How far verifiers' clocks may deviate from ours: AWS and Microsoft tolerate five minutes.
    pub verifier_leeway: SignedDuration,
    /// Safety margin on top of the computed times.
    pub margin: SignedDuration,
    /// The shortest time from publication to the first signature, whatever is configured.
    pub publish_ahead_floor: SignedDuration,
    /// How late a rotation may be before it raises an alarm.
    pub alarm_after: SignedDuration,
    /// How many times faster than in service; 1 in service.
    pub divisor: u32,
}

impl Timing {
    /// The times in service.
    pub const REAL: Self = Self {
        jwks_max_age: SignedDuration::from_mins(5),
        refresh_every: SignedDuration::from_secs(5),
        lease: SignedDuration::from_secs(20),
        clock_bound: SignedDuration::from_secs(5),
        verifier_leeway: SignedDuration::from_mins(5),
        margin: SignedDuration::from_mins(5),
        publish_ahead_floor: SignedDuration::from_mins(15),
        alarm_after: SignedDuration::from_mins(1),
        divisor: 1,
    };

    /// All times divided by `divisor`.
    pub fn faster(divisor: u32) -> Self {
        let real = Self { divisor: divisor.max(1), ..Self::REAL };
        Self {
            jwks_max_age: real.scaled(real.jwks_max_age),
            refresh_every: real.scaled(real.refresh_every),
            lease: real.scaled(real.lease),
            clock_bound: real.scaled(real.clock_bound),
            verifier_leeway: real.scaled(real.verifier_leeway),
            margin: real.scaled(real.margin),
            publish_ahead_floor: real.scaled(real.publish_ahead_floor),
            alarm_after: real.scaled(real.alarm_after),
            ..real
        }
    }

    /// `duration` divided by the divisor, in whole milliseconds.
    pub fn scaled(&self, duration: SignedDuration) -> SignedDuration {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        SignedDuration::from_millis(millis / i64::from(self.divisor))
    }

    /// Whether these are the shortened times of a test.
    pub fn is_faster(&self) -> bool {
        self.divisor > 1
    }

    /// The shortest `keep_published`: it covers the last token's lifetime and the delays of verifiers.
    pub fn keep_published_floor(&self, token_lifetime_max: SignedDuration) -> SignedDuration {
        token_lifetime_max + self.verifier_leeway + self.jwks_max_age + self.margin
    }

    /// How long ahead a change of the signing key is decided: every process that may sign when it takes
    /// effect has read it by then.
    pub fn lead(&self) -> SignedDuration {
        self.lease + self.clock_bound
    }

    /// How long after a key's end a process may still sign with it: its clock may be slow, or it may have
    /// been about to sign.
    pub fn grace(&self) -> SignedDuration {
        self.clock_bound * 2
    }
}
