//! The invariants, as predicates over one state. A comment notes where one is stronger than its namesake in
//! the reference.

use std::fmt;

use runmint::signing::rotation::{Alarm, KeyLife, KeyState, RotationPolicy, alarm};

use super::replica::Abilities;
use super::setting::{Schedule, Setting, now, seconds};
use super::table::{Slots, Table};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invariant {
    /// A process may have a token recorded with a key only if that key is in every served key set and in
    /// every usable cache. Stronger: whether or not a token is made.
    I1SignsWhatIsKnown,
    /// Until `exp` plus leeway, the key of a token that was not revoked is in every served set and every
    /// usable cache. Stronger: a verifier that would have to fetch again is already a violation.
    I2VerifiesToTheEnd,
    /// After a revocation: immediately no record, after the lease no signature, after the bound on stale key
    /// sets no key set, and after another max-age no cache. Stronger: a replica that *could* sign is a
    /// violation, as its record may have been made before.
    I3RevocationEnds,
    /// At each instant one key is designated and one is active; two replicas have tokens recorded with
    /// different keys only within the clock bound of a change.
    I4OneSigner,
    /// A crash can fall between any two transactions, so each state of the table must be legal.
    I5LegalTable,
    /// A process whose clock is beyond the bound does not sign.
    I6ClockBound,
    /// A key that some cache may lack does not sign; if no other key exists, an alarm says so.
    I7NeverCold,
    /// A key's age counts from the moment at which other processes can read it.
    I8CountsFromCommit,
    /// An overdue rotation, an active key that is too old, or no signing key: an alarm says so, and that key
    /// does not sign.
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

/// Facts that follow from the table alone, as sets of its slots.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each answers a question of its own")]
pub(super) struct Judgement {
    /// Revoked so long ago that no process may sign with them or serve them, and no cache may have them.
    pub(super) signs_no_more: Slots,
    pub(super) served_no_more: Slots,
    pub(super) cached_no_more: Slots,
    pub(super) revoked: Slots,
    /// Younger than the oldest key set that a verifier may have.
    pub(super) cold: Slots,
    /// Older than a signing key may be, by any clock within the bound.
    pub(super) too_old: Slots,
    pub(super) stamped_before_commit: Slots,
    /// Whether replicas may disagree about which key signs.
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
                // Ages are clipped, so the alarm is checked at the moment of the decision.
                && table.slots().all(|(_, key)| {
                    key.from.zip(key.until).is_none_or(|(from, until)| until <= from || until > 0)
                }),
            one_signer: count(&|life| life.is_designated()) <= 1
                && count(&|life| life.state_at(now()) == KeyState::Active) <= 1,
            told: is_told(table, setting, policy),
        }
    }
}

/// Whether `alarm` reports everything that must be reported about this table.
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

/// One state, as seen by the invariants.
pub(super) struct Seen<'a> {
    pub(super) table: &'a Judgement,
    pub(super) replicas: [&'a Abilities; 3],
    /// The keys with which each replica may have a token recorded now.
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
