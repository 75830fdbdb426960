//! The parts of states by number, and what follows from each. Whatever the real rules decide is asked here,
//! once for each part.

use runmint::signing::rotation::RotationPolicy;

use super::database::{Maintenance, maintain, promote, recordable, revocations};
use super::event::Event;
use super::interned::{Id, Interned};
use super::invariants::Judgement;
use super::outside::{Outside, Token};
use super::replica::{Abilities, Clock, Promotion, Replica};
use super::setting::{Fault, Oldest, Setting, Ticks};
use super::table::{SLOTS, Slots, Table};

/// Clocks are within so many ticks of the database's.
const CLOCKS: Ticks = 3;
const CLOCKS_COUNT: usize = 2 * CLOCKS as usize + 1;

fn place_of(clock: Ticks) -> usize {
    usize::try_from(clock + CLOCKS).expect("a clock within bounds")
}

/// What has been found out, by small numbers: a map would cost most of the time of a test build.
struct Memo(Vec<Id>);

impl Memo {
    /// No part has that number.
    const UNKNOWN: Id = Id::MAX;
    /// What is asked for is not possible.
    const NOTHING: Id = Id::MAX - 1;

    fn new(places: usize) -> Self {
        Self(vec![Self::UNKNOWN; places])
    }
}

pub(super) struct TableFacts {
    pub(super) judgement: Judgement,
    records: [Slots; CLOCKS_COUNT],
    waits: Slots,
    /// Keys that can be forgotten once nobody can use them.
    pub(super) past: Slots,
    maintenance: Option<(Event, [Option<Id>; OUTCOMES])>,
    revoked: Option<[Option<Id>; OUTCOMES]>,
    older: Option<Id>,
    /// By clock and acknowledgement: nothing else of a replica survives.
    synchronised: Memo,
    promoted: Memo,
    without: Memo,
}

/// No acknowledgement, or one of any age up to the key set's max-age.
const ACKNOWLEDGEMENTS: usize = 8;

/// As many different tables can come of one step: one for each clock that may decide, or key that may be
/// revoked.
const OUTCOMES: usize = 3;

impl TableFacts {
    /// The keys with which one whose clock is `clock` from the database's may have a token recorded.
    pub(super) fn records(&self, clock: Ticks) -> Slots {
        self.records[place_of(clock)]
    }
}

pub(super) struct ReplicaFacts {
    pub(super) abilities: Abilities,
    pub(super) clock: Clock,
    /// As a place in memos.
    acknowledged: usize,
    older: Option<Id>,
    without_acknowledgement: Option<Id>,
    without: Memo,
}

pub(super) struct OutsideFacts {
    pub(super) cached: Option<Slots>,
    pub(super) token: Slots,
    older: Option<Id>,
    fetched: Memo,
    minted: Memo,
    without: Memo,
}

pub(super) struct Parts {
    setting: Setting,
    policy: RotationPolicy,
    oldest: Oldest,
    /// How long after it is decided a promotion takes effect.
    lead: Ticks,
    pub(super) tables: Interned<Table, TableFacts>,
    pub(super) replicas: Interned<Replica, ReplicaFacts>,
    pub(super) outsides: Interned<Outside, OutsideFacts>,
    /// Whether a key could not be made for want of a slot: then not all was explored.
    pub(super) ran_out_of_slots: bool,
}

impl Parts {
    pub(super) fn new(setting: Setting) -> Self {
        Self {
            policy: setting.policy(),
            oldest: setting.oldest(),
            lead: if setting.has(Fault::NoLead) { 0 } else { setting.lead() },
            setting,
            tables: Interned::new(),
            replicas: Interned::new(),
            outsides: Interned::new(),
            ran_out_of_slots: false,
        }
    }

    pub(super) fn setting(&self) -> &Setting {
        &self.setting
    }

    pub(super) fn oldest(&self) -> Oldest {
        self.oldest
    }

    pub(super) fn table(&mut self, table: Table) -> Id {
        let Self { setting, policy, oldest, .. } = self;
        self.tables.id_of(table, |table| TableFacts {
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
        })
    }

    pub(super) fn replica(&mut self, replica: Replica) -> Id {
        let Self { setting, policy, .. } = self;
        self.replicas.id_of(replica, |replica| ReplicaFacts {
            abilities: replica.abilities(setting, policy),
            clock: replica.clock,
            acknowledged: replica.acknowledged.map_or(0, |age| usize::from(age.unsigned_abs()) + 1),
            older: None,
            without_acknowledgement: None,
            without: Memo::new(SLOTS),
        })
    }

    pub(super) fn outside(&mut self, outside: Outside) -> Id {
        self.outsides.id_of(outside, |outside| OutsideFacts {
            cached: outside.cache.map(|cache| cache.keys),
            token: outside.token.map_or(0, |token| 1 << token.slot),
            older: None,
            fetched: Memo::new(1 << SLOTS),
            minted: Memo::new(SLOTS * CLOCKS_COUNT),
            without: Memo::new(SLOTS),
        })
    }

    pub(super) fn older_table(&mut self, id: Id) -> Id {
        if let Some(older) = self.tables.facts(id).older {
            return older;
        }
        let older = self.tables.part(id).older(self.oldest);
        let older = self.table(older);
        self.tables.facts_mut(id).older = Some(older);
        older
    }

    pub(super) fn older_replica(&mut self, id: Id) -> Id {
        if let Some(older) = self.replicas.facts(id).older {
            return older;
        }
        let older = self.replicas.part(id).older(&self.setting, self.oldest);
        let older = self.replica(older);
        self.replicas.facts_mut(id).older = Some(older);
        older
    }

    pub(super) fn older_outside(&mut self, id: Id) -> Id {
        if let Some(older) = self.outsides.facts(id).older {
            return older;
        }
        let older = self.outsides.part(id).older(self.setting.max_age);
        let older = self.outside(older);
        self.outsides.facts_mut(id).older = Some(older);
        older
    }

    pub(super) fn synchronised(&mut self, table: Id, replica: Id, clock: Ticks) -> Id {
        let acknowledged = self.replicas.facts(replica).acknowledged;
        let place = place_of(clock) * ACKNOWLEDGEMENTS + acknowledged;
        let known = self.tables.facts(table).synchronised.0[place];
        if known != Memo::UNKNOWN {
            return known;
        }
        let read = self.replicas.part(replica);
        let read = read.synchronised(clock, &self.tables.part(table), self.oldest);
        let read = self.replica(read);
        self.tables.facts_mut(table).synchronised.0[place] = read;
        read
    }

    pub(super) fn fetched(&mut self, outside: Id, keys: Slots) -> Id {
        let known = self.outsides.facts(outside).fetched.0[usize::from(keys)];
        if known != Memo::UNKNOWN {
            return known;
        }
        let fetched = self.outsides.part(outside).fetched(keys);
        let fetched = self.outside(fetched);
        self.outsides.facts_mut(outside).fetched.0[usize::from(keys)] = fetched;
        fetched
    }

    /// A token is recorded and signed. `None` while another is followed.
    pub(super) fn minted(&mut self, outside: Id, slot: usize, clock: Ticks) -> Option<Id> {
        let place = place_of(clock) * SLOTS + slot;
        let known = self.outsides.facts(outside).minted.0[place];
        if known != Memo::UNKNOWN {
            return (known != Memo::NOTHING).then_some(known);
        }
        let left = clock + self.setting.token_life_minted() + self.setting.leeway;
        let before = self.outsides.part(outside);
        let minted = (before.token.is_none() && left >= 0)
            .then(|| self.outside(Outside { token: Some(Token { slot, left }), ..before }));
        self.outsides.facts_mut(outside).minted.0[place] = minted.unwrap_or(Memo::NOTHING);
        minted
    }

    /// The table after a promotion, if the database does it.
    pub(super) fn promoted(&mut self, table: Id, asked: Promotion) -> Option<Id> {
        // Most tables have no key that waits: nothing to look up.
        if self.tables.facts(table).waits == 0 && !self.setting.has(Fault::NoCompareAndSwap) {
            return None;
        }
        let (active, early) = (asked.active.map_or(0, |slot| slot + 1), asked.after - self.lead);
        let place = (asked.next * (SLOTS + 1) + active) * CLOCKS_COUNT + place_of(early);
        let known = self.tables.facts(table).promoted.0[place];
        if known != Memo::UNKNOWN {
            return (known != Memo::NOTHING).then_some(known);
        }
        let promoted = promote(&self.tables.part(table), asked, &self.setting).map(|after| self.table(after));
        self.tables.facts_mut(table).promoted.0[place] = promoted.unwrap_or(Memo::NOTHING);
        promoted
    }

    /// The step that the rules ask for, and the tables that come of it.
    pub(super) fn maintained(&mut self, id: Id) -> (Event, [Option<Id>; OUTCOMES]) {
        if let Some(known) = self.tables.facts(id).maintenance {
            return known;
        }
        let maintained = match maintain(&self.tables.part(id), &self.setting, &self.policy) {
            Maintenance::Nothing => (Event::Tick, [None; OUTCOMES]),
            Maintenance::Done(step, tables) => (step, self.outcomes(tables)),
            Maintenance::OutOfSlots => {
                self.ran_out_of_slots = true;
                (Event::Tick, [None; OUTCOMES])
            }
        };
        self.tables.facts_mut(id).maintenance = Some(maintained);
        maintained
    }

    /// What an emergency may make of it.
    pub(super) fn revoked(&mut self, id: Id) -> [Option<Id>; OUTCOMES] {
        if let Some(known) = self.tables.facts(id).revoked {
            return known;
        }
        let tables = revocations(&self.tables.part(id), &self.setting, &self.policy);
        let revoked = self.outcomes(tables);
        self.tables.facts_mut(id).revoked = Some(revoked);
        revoked
    }

    fn outcomes(&mut self, tables: Vec<Table>) -> [Option<Id>; OUTCOMES] {
        assert!(tables.len() <= OUTCOMES);
        let mut outcomes = [None; OUTCOMES];
        for (outcome, table) in outcomes.iter_mut().zip(tables) {
            *outcome = Some(self.table(table));
        }
        outcomes
    }

    /// Whether the same key waits before and after.
    pub(super) fn same_waits(&self, before: Id, after: Id) -> bool {
        self.tables.facts(before).waits == self.tables.facts(after).waits
    }

    pub(super) fn without_acknowledgement(&mut self, id: Id) -> Id {
        if let Some(without) = self.replicas.facts(id).without_acknowledgement {
            return without;
        }
        let without = self.replica(Replica { acknowledged: None, ..self.replicas.part(id) });
        self.replicas.facts_mut(id).without_acknowledgement = Some(without);
        without
    }

    pub(super) fn table_without(&mut self, id: Id, slot: usize) -> Id {
        let known = self.tables.facts(id).without.0[slot];
        if known != Memo::UNKNOWN {
            return known;
        }
        let without = self.tables.part(id).without(slot);
        let without = self.table(without);
        self.tables.facts_mut(id).without.0[slot] = without;
        without
    }

    pub(super) fn replica_without(&mut self, id: Id, slot: usize) -> Id {
        let known = self.replicas.facts(id).without.0[slot];
        if known != Memo::UNKNOWN {
            return known;
        }
        let without = self.replicas.part(id).without(slot);
        let without = self.replica(without);
        self.replicas.facts_mut(id).without.0[slot] = without;
        without
    }

    pub(super) fn outside_without(&mut self, id: Id, slot: usize) -> Id {
        let known = self.outsides.facts(id).without.0[slot];
        if known != Memo::UNKNOWN {
            return known;
        }
        let without = self.outsides.part(id).without(slot);
        let without = self.outside(without);
        self.outsides.facts_mut(id).without.0[slot] = without;
        without
    }
}
