//! The right of this process to sign and to serve, by its lease, its clock and the age of what it serves.

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use crate::signing::rotation::RotationPolicy;

/// The facts that decide what this process may do, by its own clock.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// When the database last answered.
    pub seen_at: Option<Timestamp>,
    /// When what is served was last known to be what the database says.
    pub confirmed_at: Option<Timestamp>,
    /// How far this process's clock is from the database's, if that is too far.
    pub clock_off_by: Option<SignedDuration>,
    /// Why the keys could not be read again.
    pub trouble: Option<String>,
}

/// Why a process may not sign.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Barred {
    #[error("the database has not answered for longer than the lease")]
    LeaseRanOut,
    #[error("this machine's clock is off by {0:#}: synchronise it")]
    ClockOff(SignedDuration),
}

impl Standing {
    pub fn bar(&self, policy: &RotationPolicy, now: Timestamp) -> Option<Barred> {
        if let Some(off) = self.clock_off_by {
            return Some(Barred::ClockOff(off));
        }
        let timing = policy.timing;
        // A clock that was set back would make a lease last for ever.
        let holds =
            self.seen_at.is_some_and(|seen| seen - timing.clock_bound <= now && now < seen + timing.lease);
        (!holds).then_some(Barred::LeaseRanOut)
    }

    /// How old what is served may be.
    pub fn age(&self, now: Timestamp) -> Option<SignedDuration> {
        self.confirmed_at.map(|at| now.duration_since(at))
    }

    pub fn may_serve(&self, policy: &RotationPolicy, now: Timestamp) -> bool {
        // A clock that was set back would keep it in service for as long again.
        let least = -(policy.timing.clock_bound * 2);
        self.age(now).is_some_and(|age| least <= age && age <= policy.serve_stale)
    }
}
