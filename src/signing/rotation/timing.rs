//! How long the machinery takes: leases, caches, clocks.

use jiff::SignedDuration;

/// How long things take. All of it scales together, so that a test can live through months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long verifiers may cache the key set: `max-age` of its answers (RFC 9111 §5.2.2.1).
    pub jwks_max_age: SignedDuration,
    /// How often a process renews its lease and looks for changes.
    pub refresh_every: SignedDuration,
    /// How long after its last look a process may sign.
    pub lease: SignedDuration,
    /// How far a process's clock may be from the database's.
    pub clock_bound: SignedDuration,
    /// How far verifiers' clocks may be from ours: AWS and Microsoft forgive five minutes.
    pub verifier_leeway: SignedDuration,
    /// Beside what can be computed.
    pub margin: SignedDuration,
    /// The least time before signing, whatever else is configured.
    pub publish_ahead_floor: SignedDuration,
    /// How late a rotation may be before it is an alarm.
    pub alarm_after: SignedDuration,
    /// How many times as fast as in service.
    pub divisor: u32,
}

impl Timing {
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

    /// Everything `divisor` times as fast.
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

    /// What takes `duration` in service.
    pub fn scaled(&self, duration: SignedDuration) -> SignedDuration {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        SignedDuration::from_millis(millis / i64::from(self.divisor))
    }

    /// Whether this is for a test.
    pub fn is_faster(&self) -> bool {
        self.divisor > 1
    }

    /// What `keep_published` covers: the last token's life, and how late verifiers are.
    pub fn keep_published_floor(&self, token_lifetime_max: SignedDuration) -> SignedDuration {
        token_lifetime_max + self.verifier_leeway + self.jwks_max_age + self.margin
    }

    /// How long before it takes effect a change of the signing key is decided: every process that may
    /// sign at that moment has looked since.
    pub fn lead(&self) -> SignedDuration {
        self.lease + self.clock_bound
    }

    /// How long after a key's last moment a signature with it may still be on its way: a process whose
    /// clock is slow, and one that was just about to sign.
    pub fn grace(&self) -> SignedDuration {
        self.clock_bound * 2
    }
}
