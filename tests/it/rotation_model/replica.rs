//! The knowledge of one replica: the keys as it last read them, how long ago that was, and its own clock.

use runmint::signing::rotation::{RotationPolicy, Step, promotion};

use super::setting::{Fault, Oldest, Setting, Ticks, now, seconds};
use super::table::{Key, Slots, Table, age_of};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Replica {
    pub(super) clock: Clock,
    /// `None`: it has read nothing yet, or so long ago that it neither signs nor serves.
    pub(super) view: Option<View>,
    /// How long it has served the waiting key, as recorded in the database.
    pub(super) acknowledged: Option<Ticks>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Clock {
    /// This setting has fewer replicas.
    Absent,
    /// It is starting on any machine: its clock becomes known with its first read.
    Unknown,
    Offset(Ticks),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct View {
    pub(super) keys: Table,
    pub(super) age: Ticks,
}

/// Facts that follow from a replica alone.
#[derive(Clone, Debug)]
pub(super) struct Abilities {
    /// The key set that it would serve; `None`: 503.
    pub(super) serves: Option<Slots>,
    /// The key that it would sign with.
    pub(super) signs: Option<usize>,
    pub(super) has_live_lease: bool,
    /// Whether it has served the waiting key for the key set's max-age.
    pub(super) acknowledges: bool,
    /// The promotion that it would request.
    pub(super) promotes: Option<Promotion>,
    /// The keys that it may still sign with, whose records are therefore kept.
    pub(super) may_sign_later: Slots,
    pub(super) clock: Ticks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Promotion {
    pub(super) next: usize,
    pub(super) active: Option<usize>,
    /// How long from now it takes effect.
    pub(super) after: Ticks,
}

impl Replica {
    pub(super) const ABSENT: Self = Self { clock: Clock::Absent, view: None, acknowledged: None };
    pub(super) const STARTING: Self = Self { clock: Clock::Unknown, view: None, acknowledged: None };

    /// Reads the keys, renews its lease and acknowledges what it serves now, all in one transaction.
    pub(super) fn synchronised(&self, clock: Ticks, table: &Table, oldest: Oldest) -> Self {
        let read = |key: Key| key.is_published().then(|| key.as_read(oldest));
        let keys = Table { keys: table.keys.map(|key| key.and_then(read)), had_emergency: false };
        let waits = table.slots().any(|(_, key)| key.life().waits());
        Self {
            clock: Clock::Offset(clock),
            view: Some(View { keys, age: 0 }),
            acknowledged: waits.then(|| self.acknowledged.unwrap_or(0)),
        }
    }

    pub(super) fn older(&self, setting: &Setting, oldest: Oldest) -> Self {
        Self {
            view: self.view.and_then(|view| view.older(setting, oldest)),
            acknowledged: self.acknowledged.map(|age| (age + 1).min(setting.max_age)),
            ..*self
        }
    }

    pub(super) fn without(&self, slot: usize) -> Self {
        Self { view: self.view.map(|view| View { keys: view.keys.without(slot), ..view }), ..*self }
    }

    pub(super) fn abilities(&self, setting: &Setting, policy: &RotationPolicy) -> Abilities {
        let clock = match self.clock {
            Clock::Absent | Clock::Unknown => 0,
            Clock::Offset(offset) => offset,
        };
        let trusts_its_clock = clock.abs() <= setting.clock_bound || setting.has(Fault::NoClockBound);
        let serves = self
            .view
            .filter(|view| setting.serves_for().is_none_or(|bound| view.age <= bound))
            .map(|view| view.keys.where_key(|_| true));
        // A lease is valid to its very end, since moments within a tick are not distinguished.
        let leased = self.view.filter(|view| view.age <= setting.lease || setting.has(Fault::NoLease));
        let signer = leased.filter(|_| trusts_its_clock);
        Abilities {
            serves,
            signs: signer.and_then(|view| view.keys.signs_at(policy, seconds(clock))),
            has_live_lease: self.view.is_some_and(|view| view.age <= setting.lease),
            acknowledges: self.acknowledged.is_some_and(|age| age >= setting.max_age),
            promotes: leased.and_then(|view| promotes(&view.keys, clock, setting, policy)),
            may_sign_later: signer.map_or(0, |view| view.keys.where_key(|key| key.until.is_none())),
            clock,
        }
    }
}

impl View {
    fn older(&self, setting: &Setting, oldest: Oldest) -> Option<Self> {
        let age = self.age + 1;
        if setting.has(Fault::NoLease) {
            return Some(Self { keys: self.keys_older(oldest), age: age.min(oldest.revoked) });
        }
        if age <= setting.lease {
            return Some(Self { keys: self.keys_older(oldest), age });
        }
        // It no longer signs: all that matters is what it serves, and for how long.
        let served = Table { keys: self.keys.keys.map(|key| key.map(|_| Key::published(0))), ..self.keys };
        match setting.serves_for() {
            Some(bound) if age > bound => None,
            Some(_) => Some(Self { keys: served, age }),
            None => Some(Self { keys: served, age: setting.lease + 1 }),
        }
    }
}

impl View {
    fn keys_older(&self, oldest: Oldest) -> Table {
        let keys = self.keys.older(oldest);
        Table { keys: keys.keys.map(|key| Some(key?.as_read(oldest))), ..keys }
    }
}

impl Key {
    /// Drops everything that makes no difference to a process that has read it: states that differ only there
    /// are equal.
    fn as_read(self, oldest: Oldest) -> Self {
        let waits = self.from.is_none() && self.until.is_none();
        let has_ended = self.until.is_some_and(|age| age > oldest.skew);
        Self {
            published: if waits { self.published } else { oldest.published },
            visible: oldest.published,
            from: if has_ended { Some(oldest.signing) } else { self.from },
            until: if has_ended { Some(oldest.ended) } else { self.until },
            private_half: self.private_half && !has_ended,
            ..self
        }
    }
}

fn promotes(keys: &Table, clock: Ticks, setting: &Setting, policy: &RotationPolicy) -> Option<Promotion> {
    let now = if setting.has(Fault::ReplicaClock) { now() + seconds(clock) } else { now() };
    match promotion(&keys.lives(), policy, now, setting.wish()) {
        Ok(Some(Step::Promote { next, active, at })) => {
            let at = if setting.has(Fault::NoLead) { now } else { at };
            Some(Promotion { next, active, after: -age_of(at) })
        }
        _ => None,
    }
}
