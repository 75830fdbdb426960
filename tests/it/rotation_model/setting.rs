//! The assumptions of one exploration: durations in ticks, and guards that are broken on purpose.

use jiff::{SignedDuration, Timestamp};
use runmint::signing::rotation::{RotationPolicy, Timing, Wish};

/// A duration or an age. A tick is a second for the real rules.
pub(super) type Ticks = i8;

/// A guard that is removed or weakened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A promotion does not wait for the replicas' acknowledgements.
    NoAcknowledgements,
    /// The database does not check the key's times when it records a token.
    NoRecordCheck,
    /// A replica signs however long ago it last read the keys.
    NoLease,
    /// A promotion is written as decided, even if the rows have changed since.
    NoCompareAndSwap,
    /// Tokens live this much longer than keys are kept.
    LongerTokens(Ticks),
    /// The deciding process uses its own clock.
    ReplicaClock,
    /// A promotion takes effect at once.
    NoLead,
    /// After a revocation the next key signs at once, warm or not.
    ColdEmergency,
    /// The key set is served from memory this much longer than configured; `None`: forever.
    ServesLonger(Option<Ticks>),
    /// A replica ignores how far its clock is from the database's.
    NoClockBound,
    /// A key's record becomes visible this long after its stated time of publication.
    LateCommit(Ticks),
}

#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// A: `max-age` of the key set.
    pub(super) max_age: Ticks,
    /// R of the key set: how long it is served from memory.
    pub(super) serve_stale: Ticks,
    /// R of signatures.
    pub(super) lease: Ticks,
    /// S.
    pub(super) clock_bound: Ticks,
    /// E.
    pub(super) token_life: Ticks,
    /// V.
    pub(super) leeway: Ticks,
    /// Added to the computed time for which keys are kept.
    pub(super) margin: Ticks,
    /// W.
    pub(super) publish_ahead: Ticks,
    pub(super) keep_published: Ticks,
    pub(super) schedule: Schedule,
    pub(super) replicas: usize,
    /// The clocks that a replica may have, relative to the database's.
    pub(super) clock_offsets: &'static [Ticks],
    pub(super) emergency: Emergency,
    pub(super) faults: Vec<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schedule {
    /// An operator may request a rotation at any moment, and keys do not grow too old: this includes every
    /// moment at which a rotation could be due.
    AnyTime,
    /// Rotation happens automatically as often as the policy allows, and keys grow too old as soon as it
    /// allows.
    WhenDue { alarm_after: Ticks },
}

/// The key that may be revoked, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Emergency {
    None,
    /// The key that signs.
    ActiveKey,
    /// Also the waiting key and the previous key, but not a key that is chosen and does not sign yet: no rule
    /// defines what becomes of that change.
    AnyKey,
}

impl Setting {
    /// Times of a few ticks, with the minimums that the policy's own check accepts.
    pub(super) fn small() -> Self {
        Self {
            max_age: 1,
            serve_stale: 3,
            lease: 2,
            clock_bound: 1,
            token_life: 1,
            leeway: 1,
            margin: 0,
            publish_ahead: 0,
            keep_published: 0,
            schedule: Schedule::AnyTime,
            replicas: 3,
            clock_offsets: &[-1, 0, 1],
            emergency: Emergency::None,
            faults: Vec::new(),
        }
        .with_floors()
    }

    /// With the shortest lease, which leaves room for more replicas and events.
    pub(super) fn smallest() -> Self {
        Self { serve_stale: 2, lease: 1, ..Self::small() }.with_floors()
    }

    /// `publish_ahead` and `keep_published` as short as these times allow.
    pub(super) fn with_floors(mut self) -> Self {
        self.publish_ahead = self.max_age + self.serve_stale + self.lease + self.clock_bound * 2 + 1;
        self.keep_published = self.token_life + self.leeway + self.max_age + self.margin;
        self
    }

    pub(super) fn policy(&self) -> RotationPolicy {
        let (rotate_every, max_key_age, alarm_after) = match self.schedule {
            Schedule::AnyTime => (60, 120, 1),
            Schedule::WhenDue { alarm_after } => {
                let rotate_every = self.publish_ahead + self.keep_published + self.lease + self.clock_bound;
                (rotate_every, rotate_every + self.publish_ahead, alarm_after)
            }
        };
        RotationPolicy {
            rotate_every: seconds(rotate_every),
            publish_ahead: seconds(self.publish_ahead),
            keep_published: seconds(self.keep_published),
            max_key_age: seconds(max_key_age),
            serve_stale: seconds(self.serve_stale),
            timing: Timing {
                jwks_max_age: seconds(self.max_age),
                refresh_every: seconds(1),
                lease: seconds(self.lease),
                clock_bound: seconds(self.clock_bound),
                verifier_leeway: seconds(self.leeway),
                margin: seconds(self.margin),
                publish_ahead_floor: seconds(0),
                alarm_after: seconds(alarm_after),
                divisor: 1,
            },
        }
    }

    /// The delay between the decision and the effect of a promotion, by the real rules.
    pub(super) fn lead(&self) -> Ticks {
        in_ticks(self.policy().timing.lead())
    }

    pub(super) fn wish(&self) -> Wish {
        match self.schedule {
            Schedule::AnyTime => Wish::Now,
            Schedule::WhenDue { .. } => Wish::WhenDue,
        }
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// How long a replica serves the key set without contact to the database; `None`: forever.
    pub(super) fn serves_for(&self) -> Option<Ticks> {
        let longer = self.faults.iter().find_map(|fault| match fault {
            Fault::ServesLonger(by) => Some(*by),
            _ => None,
        });
        longer.unwrap_or(Some(0)).map(|by| self.serve_stale + by)
    }

    pub(super) fn token_life_minted(&self) -> Ticks {
        let longer = self.faults.iter().find_map(|fault| match fault {
            Fault::LongerTokens(by) => Some(*by),
            _ => None,
        });
        self.token_life + longer.unwrap_or(0)
    }

    pub(super) fn commit_delay(&self) -> Ticks {
        let late = self.faults.iter().find_map(|fault| match fault {
            Fault::LateCommit(by) => Some(*by),
            _ => None,
        });
        late.unwrap_or(0)
    }

    /// The ages beyond which no rule and no invariant can tell the difference.
    pub(super) fn oldest(&self) -> Oldest {
        let policy = self.policy();
        let skew = self.clock_offsets.iter().map(|offset| offset.abs()).max().unwrap_or(0);
        Oldest {
            skew,
            published: self.publish_ahead.max(self.max_age + self.serve_stale) + skew + 2,
            signing: match self.schedule {
                Schedule::AnyTime => skew.max(in_ticks(policy.timing.alarm_after)) + 2,
                Schedule::WhenDue { .. } => in_ticks(policy.max_key_age) + skew + 2,
            },
            ended: self.keep_published.max(in_ticks(policy.timing.grace())) + skew + 2,
            revoked: self.lease.max(self.serve_stale + self.max_age) + 1,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Oldest {
    /// The largest difference between a replica's clock and the database's.
    pub(super) skew: Ticks,
    pub(super) published: Ticks,
    pub(super) signing: Ticks,
    pub(super) ended: Ticks,
    pub(super) revoked: Ticks,
}

pub(super) fn seconds(ticks: Ticks) -> SignedDuration {
    SignedDuration::from_secs(i64::from(ticks))
}

fn in_ticks(duration: SignedDuration) -> Ticks {
    Ticks::try_from(duration.as_secs()).expect("a model's times are short")
}

/// The time at which the real rules are evaluated: everything in the model is relative to it.
pub(super) fn now() -> Timestamp {
    Timestamp::from_second(1_000_000_000).unwrap()
}

/// The time `age` ticks ago; in the future if negative.
pub(super) fn ago(age: Ticks) -> Timestamp {
    now() - seconds(age)
}
