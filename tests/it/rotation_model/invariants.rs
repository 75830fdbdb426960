//! The invariants, as predicates over one state. Where ours asks for more than its namesake, it says so.

use std::fmt;

use runmint::signing::rotation::{Alarm, KeyLife, KeyState, RotationPolicy, alarm};

use super::replica::Abilities;
use super::setting::{Schedule, Setting, now, seconds};
use super::table::{Slots, Table};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invariant {
    /// Whoever may have a token recorded with a key now may do so only if the key is in every key set that is
    /// served and in every cache that may still be used. Stronger: whether or not a token is made.
    I1SignsWhatIsKnown,
    /// Until `exp` and leeway the key of a token that was not revoked is in every served set and every usable
    /// cache. Stronger: a verifier that would have to fetch again is a violation already.
    I2VerifiesToTheEnd,
    /// After a revocation, no record at once, no signature after the lease, no key set after the bound on
    /// stale ones, no cache after max-age on top. Stronger: a replica that *could* sign is a violation, as
    /// its record may have been made before.
    I3RevocationEnds,
    /// One designated key and one active at each instant; two replicas have tokens recorded with different
    /// keys only within the clock bound of the instant of a change.
    I4OneSigner,
    /// Crashes come between any two transactions: each state of the table must be a legal one.
    I5LegalTable,
    /// No signature by one whose clock is beyond the bound.
    I6ClockBound,
    /// No signature with a key that some cache may not have; that no such key exists is told.
    I7NeverCold,
    /// A key's age counts from the moment at which others can read it.
    I8CountsFromCommit,
    /// Overdue rotation, an active key too old, or nothing that signs: told, and nothing signs with it.
    I9Alarms,
}

impl Invariant {
    pub(super) const ALL: [Self; 9] = [
        Self::I1SignsWhatIsKnown,
        Self::I2VerifiesToTheEnd,
        Self::I3RevocationEnds,
        Self::I4OneSigner,
        Self::I5LegalTable,
        Self::I6ClockBound,
        Self::I7NeverCold,
        Self::I8CountsFromCommit,
        Self::I9Alarms,
    ];
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What follows from the table alone, as sets of its slots.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each answers a question of its own")]
pub(super) struct Judgement {
    /// Revoked so long ago that nobody may sign with them, serve them, or have them in a cache.
    pub(super) signs_no_more: Slots,
    pub(super) served_no_more: Slots,
    pub(super) cached_no_more: Slots,
    pub(super) revoked: Slots,
    /// Younger than the oldest key set that a verifier may have.
    pub(super) cold: Slots,
    /// Older than a key may be that signs, by any clock within the bound.
    pub(super) too_old: Slots,
    pub(super) stamped_before_commit: Slots,
    /// Whether replicas may disagree about who signs.
    pub(super) near_change: bool,
    pub(super) is_legal: bool,
    pub(super) one_signer: bool,
    pub(super) told: bool,
}

impl Judgement {
    pub(super) fn of(table: &Table, setting: &Setting, policy: &RotationPolicy) -> Self {
        let revoked_for = |ticks| table.where_key(|key| key.revoked.is_some_and(|age| age > ticks));
        let oldest_cache = setting.serve_stale + setting.max_age;
        let lives = table.lives();
        let count = |holds: &dyn Fn(&KeyLife) -> bool| lives.iter().filter(|(_, life)| holds(life)).count();
        Self {
            signs_no_more: revoked_for(setting.lease),
            served_no_more: revoked_for(setting.serve_stale),
            cached_no_more: revoked_for(oldest_cache),
            revoked: table.where_key(|key| key.revoked.is_some()),
            cold: table.where_key(|key| key.visible <= oldest_cache),
            too_old: table.where_key(|key| {
                let clock = seconds(setting.clock_bound);
                key.life().signs_from.is_some_and(|from| now() >= from + policy.max_key_age + clock)
            }),
            stamped_before_commit: table.where_key(|key| key.published > key.visible),
            near_change: table
                .slots()
                .filter_map(|(_, key)| key.from)
                .any(|age| age.abs() <= setting.clock_bound),
            is_legal: count(&|life| life.waits()) <= 1
                && count(&|life| life.is_published()) <= 3
                // Ages are clipped: it is told when it is decided.
                && table.slots().all(|(_, key)| {
                    key.from.zip(key.until).is_none_or(|(from, until)| until <= from || until > 0)
                }),
            one_signer: count(&|life| life.is_designated()) <= 1
                && count(&|life| life.state_at(now()) == KeyState::Active) <= 1,
            told: is_told(table, setting, policy),
        }
    }
}

/// Whether `alarm` says all that must be told of this table.
fn is_told(table: &Table, setting: &Setting, policy: &RotationPolicy) -> bool {
    let lives = table.lives();
    let said = alarm(&lives, policy, now());
    let signing = lives.iter().find(|(_, life)| policy.signs_at(life, now()));
    let Some((_, signing)) = signing else {
        return matches!(said, Some(Alarm::NothingSigns(_)));
    };
    let late = match setting.schedule {
        Schedule::AnyTime => false,
        Schedule::WhenDue { .. } => {
            let due = signing.signs_from.map(|from| from + policy.rotate_every);
            signing.signs_until.is_none() && due.is_some_and(|due| due + policy.timing.alarm_after <= now())
        }
    };
    let began = lives.iter().filter(|(_, life)| life.is_designated()).find_map(|(_, life)| life.signs_from);
    let no_next = !lives.iter().any(|(_, life)| life.waits())
        && began.is_some_and(|began| began + policy.timing.alarm_after <= now());
    if late { matches!(said, Some(Alarm::Overdue(_))) } else { !no_next || said == Some(Alarm::NoNext) }
}

/// One state, for the invariants.
pub(super) struct Seen<'a> {
    pub(super) table: &'a Judgement,
    pub(super) replicas: [&'a Abilities; 3],
    /// What each replica may have recorded now.
    pub(super) records: [Slots; 3],
    pub(super) cached: Option<Slots>,
    pub(super) token: Slots,
    pub(super) clock_bound: i8,
}

impl Seen<'_> {
    /// The first of `wanted` that does not hold.
    pub(super) fn violated(&self, wanted: &[Invariant]) -> Option<Invariant> {
        let mut missing = 0;
        let mut served = 0;
        let mut could_sign = 0;
        let mut mints = 0;
        let mut beyond_clock = false;
        for replica in 0..3 {
            let abilities = self.replicas[replica];
            if let Some(keys) = abilities.serves {
                missing |= !keys;
                served |= keys;
            }
            if let Some(slot) = abilities.signs {
                could_sign |= 1 << slot;
                mints |= (1 << slot) & self.records[replica];
                beyond_clock |= abilities.clock.abs() > self.clock_bound;
            }
        }
        if let Some(keys) = self.cached {
            missing |= !keys;
        }
        let judged = self.table;
        let holds = |invariant: Invariant| match invariant {
            Invariant::I1SignsWhatIsKnown => mints & missing == 0,
            Invariant::I2VerifiesToTheEnd => self.token & missing == 0,
            Invariant::I3RevocationEnds => {
                mints & judged.revoked == 0
                    && could_sign & judged.signs_no_more == 0
                    && served & judged.served_no_more == 0
                    && self.cached.unwrap_or(0) & judged.cached_no_more == 0
            }
            Invariant::I4OneSigner => {
                judged.one_signer && (mints & mints.wrapping_sub(1) == 0 || judged.near_change)
            }
            Invariant::I5LegalTable => judged.is_legal,
            Invariant::I6ClockBound => !beyond_clock,
            Invariant::I7NeverCold => mints & judged.cold == 0,
            Invariant::I8CountsFromCommit => judged.stamped_before_commit == 0,
            Invariant::I9Alarms => judged.told && could_sign & judged.too_old == 0,
        };
        wanted.iter().copied().find(|invariant| !holds(*invariant))
    }
}
