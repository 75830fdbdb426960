//! Facts derived from one part of a state (table, replica or outside), each computed once.

use runmint::signing::rotation::RotationPolicy;

use super::database::recordable;
use super::event::Event;
use super::interned::Id;
use super::invariants::Judgement;
use super::outside::Outside;
use super::replica::{Abilities, Clock, Promotion, Replica};
use super::setting::{Oldest, Setting, Ticks};
use super::table::{SLOTS, Slots, Table};

/// Clocks are within this many ticks of the database's.
const CLOCKS: Ticks = 3;
const CLOCKS_COUNT: usize = 2 * CLOCKS as usize + 1;

/// No acknowledgement, or one of any age up to the key set's max-age.
const ACKNOWLEDGEMENTS: usize = 8;

/// The largest number of tables that one step can produce: one for each clock that may decide, or key that
/// may be revoked.
pub(super) const OUTCOMES: usize = 3;

/// Results by small index: a map would take most of the time of a test build.
pub(super) struct Memo(Vec<Known>);

#[derive(Clone, Copy)]
pub(super) enum Known {
    NotYet,
    Impossible,
    Part(Id),
}

impl Memo {
    fn new(places: usize) -> Self {
        Self(vec![Known::NotYet; places])
    }

    pub(super) fn at(&self, place: usize) -> Known {
        self.0[place]
    }

    pub(super) fn set(&mut self, place: usize, found: Option<Id>) {
        self.0[place] = found.map_or(Known::Impossible, Known::Part);
    }
}

pub(super) struct TableFacts {
    pub(super) judgement: Judgement,
    records: [Slots; CLOCKS_COUNT],
    pub(super) waits: Slots,
    /// Keys that can be forgotten once no process can use them.
    pub(super) past: Slots,
    pub(super) maintenance: Option<(Event, [Option<Id>; OUTCOMES])>,
    pub(super) revoked: Option<[Option<Id>; OUTCOMES]>,
    pub(super) older: Option<Id>,
    /// By clock and acknowledgement, the only parts of a replica that survive.
    pub(super) synchronised: Memo,
    pub(super) promoted: Memo,
    pub(super) without: Memo,
}

impl TableFacts {
    pub(super) fn of(table: &Table, setting: &Setting, policy: &RotationPolicy, oldest: Oldest) -> Self {
        Self {
            judgement: Judgement::of(table, setting, policy),
            records: std::array::from_fn(|place| {
                let clock = Ticks::try_from(place).expect("few clocks") - CLOCKS;
                recordable(table, clock, setting, policy)
            }),
            waits: table.where_key(|key| key.life().waits()),
            past: table.where_key(|key| key.removed || key.revoked == Some(oldest.revoked)),
            maintenance: None,
            revoked: None,
            older: None,
            synchronised: Memo::new(CLOCKS_COUNT * ACKNOWLEDGEMENTS),
            promoted: Memo::new(SLOTS * (SLOTS + 1) * CLOCKS_COUNT),
            without: Memo::new(SLOTS),
        }
    }

    /// The keys with which a process whose clock is off by `clock` may have a token recorded.
    pub(super) fn records(&self, clock: Ticks) -> Slots {
        self.records[place_of_clock(clock)]
    }
}

pub(super) struct ReplicaFacts {
    pub(super) abilities: Abilities,
    pub(super) clock: Clock,
    acknowledged: usize,
    pub(super) older: Option<Id>,
    pub(super) without_acknowledgement: Option<Id>,
    pub(super) without: Memo,
}

impl ReplicaFacts {
    pub(super) fn of(replica: &Replica, setting: &Setting, policy: &RotationPolicy) -> Self {
        let acknowledged = replica.acknowledged.map_or(0, |age| usize::from(age.unsigned_abs()) + 1);
        assert!(acknowledged < ACKNOWLEDGEMENTS);
        Self {
            abilities: replica.abilities(setting, policy),
            clock: replica.clock,
            acknowledged,
            older: None,
            without_acknowledgement: None,
            without: Memo::new(SLOTS),
        }
    }

    /// The index under which a table remembers the result of reading it with `clock`.
    pub(super) fn place_of_read(&self, clock: Ticks) -> usize {
        place_of_clock(clock) * ACKNOWLEDGEMENTS + self.acknowledged
    }
}

pub(super) struct OutsideFacts {
    pub(super) cached: Option<Slots>,
    pub(super) token: Slots,
    pub(super) older: Option<Id>,
    /// By the key set served.
    pub(super) fetched: Memo,
    pub(super) minted: Memo,
    pub(super) without: Memo,
}

impl OutsideFacts {
    pub(super) fn of(outside: &Outside) -> Self {
        Self {
            cached: outside.cache.map(|cache| cache.keys),
            token: outside.token.map_or(0, |token| 1 << token.slot),
            older: None,
            fetched: Memo::new(1 << SLOTS),
            minted: Memo::new(SLOTS * CLOCKS_COUNT),
            without: Memo::new(SLOTS),
        }
    }
}

/// The index under which the outside remembers a token.
pub(super) fn place_of_token(slot: usize, clock: Ticks) -> usize {
    place_of_clock(clock) * SLOTS + slot
}

/// The index under which a table remembers a promotion that takes effect `late` ticks later than the rules
/// say.
pub(super) fn place_of_promotion(asked: Promotion, late: Ticks) -> usize {
    let active = asked.active.map_or(0, |slot| slot + 1);
    (asked.next * (SLOTS + 1) + active) * CLOCKS_COUNT + place_of_clock(late)
}

fn place_of_clock(clock: Ticks) -> usize {
    assert!(clock <= CLOCKS);
    usize::try_from(clock + CLOCKS).expect("a clock within bounds")
}
