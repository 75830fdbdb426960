//! The parts of states by number, and what follows from each. Whatever the real rules decide is asked here,
//! once for each part.

use std::collections::HashMap;

use runmint::signing::rotation::RotationPolicy;

use super::database::{Maintenance, maintain, promote, recordable, revoke_active};
use super::interned::{Id, Interned};
use super::invariants::Judgement;
use super::outside::{Outside, Token};
use super::replica::{Abilities, Promotion, Replica};
use super::setting::{Fault, Oldest, Setting, Ticks};
use super::table::{Slots, Table};

/// Clocks are within so many ticks of the database's.
const CLOCKS: Ticks = 3;

pub(super) struct TableFacts {
    pub(super) judgement: Judgement,
    records: [Slots; 2 * CLOCKS as usize + 1],
    waits: Slots,
    /// Keys that can be forgotten once nobody can use them.
    pub(super) past: Slots,
    maintenance: Option<(&'static str, Vec<Id>)>,
    emergency: Option<Option<Id>>,
    older: Option<Id>,
}

impl TableFacts {
    /// The keys with which one whose clock is `clock` from the database's may have a token recorded.
    pub(super) fn records(&self, clock: Ticks) -> Slots {
        self.records[usize::from((clock + CLOCKS).unsigned_abs())]
    }
}

pub(super) struct ReplicaFacts {
    pub(super) abilities: Abilities,
    older: Option<Id>,
    without_acknowledgement: Option<Id>,
}

pub(super) struct Parts {
    setting: Setting,
    policy: RotationPolicy,
    oldest: Oldest,
    pub(super) tables: Interned<Table, TableFacts>,
    pub(super) replicas: Interned<Replica, ReplicaFacts>,
    pub(super) outsides: Interned<Outside, Option<Id>>,
    synchronised: HashMap<(Id, Id, Ticks), Id>,
    fetched: HashMap<(Id, Slots), Id>,
    minted: HashMap<(Id, usize, Ticks), Option<Id>>,
    promoted: HashMap<(Id, Promotion), Option<Id>>,
    /// Whether a key could not be made for want of a slot: then not all was explored.
    pub(super) ran_out_of_slots: bool,
}

impl Parts {
    pub(super) fn new(setting: Setting) -> Self {
        Self {
            policy: setting.policy(),
            oldest: setting.oldest(),
            setting,
            tables: Interned::new(),
            replicas: Interned::new(),
            outsides: Interned::new(),
            synchronised: HashMap::new(),
            fetched: HashMap::new(),
            minted: HashMap::new(),
            promoted: HashMap::new(),
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
            emergency: None,
            older: None,
        })
    }

    pub(super) fn replica(&mut self, replica: Replica) -> Id {
        let Self { setting, policy, .. } = self;
        self.replicas.id_of(replica, |replica| ReplicaFacts {
            abilities: replica.abilities(setting, policy),
            older: None,
            without_acknowledgement: None,
        })
    }

    pub(super) fn outside(&mut self, outside: Outside) -> Id {
        self.outsides.id_of(outside, |_| None)
    }

    pub(super) fn older_table(&mut self, id: Id) -> Id {
        if let Some(older) = self.tables.facts(id).older {
            return older;
        }
        let older = self.tables.part(id).older(&self.oldest);
        let older = self.table(older);
        self.tables.facts_mut(id).older = Some(older);
        older
    }

    pub(super) fn older_replica(&mut self, id: Id) -> Id {
        if let Some(older) = self.replicas.facts(id).older {
            return older;
        }
        let older = self.replicas.part(id).older(&self.setting, &self.oldest);
        let older = self.replica(older);
        self.replicas.facts_mut(id).older = Some(older);
        older
    }

    pub(super) fn older_outside(&mut self, id: Id) -> Id {
        if let Some(older) = self.outsides.facts(id) {
            return *older;
        }
        let older = self.outsides.part(id).older(self.setting.max_age);
        let older = self.outside(older);
        *self.outsides.facts_mut(id) = Some(older);
        older
    }

    pub(super) fn synchronised(&mut self, table: Id, replica: Id, clock: Ticks) -> Id {
        if let Some(read) = self.synchronised.get(&(table, replica, clock)) {
            return *read;
        }
        let read = self.replicas.part(replica).synchronised(clock, &self.tables.part(table), &self.oldest);
        let read = self.replica(read);
        self.synchronised.insert((table, replica, clock), read);
        read
    }

    pub(super) fn fetched(&mut self, outside: Id, keys: Slots) -> Id {
        if let Some(fetched) = self.fetched.get(&(outside, keys)) {
            return *fetched;
        }
        let fetched = self.outsides.part(outside).fetched(keys);
        let fetched = self.outside(fetched);
        self.fetched.insert((outside, keys), fetched);
        fetched
    }

    /// A token is recorded and signed. `None` while another is followed.
    pub(super) fn minted(&mut self, outside: Id, slot: usize, clock: Ticks) -> Option<Id> {
        if let Some(minted) = self.minted.get(&(outside, slot, clock)) {
            return *minted;
        }
        let left = clock + self.setting.token_life_minted() + self.setting.leeway;
        let before = self.outsides.part(outside);
        let minted = (before.token.is_none() && left >= 0)
            .then(|| self.outside(Outside { token: Some(Token { slot, left }), ..before }));
        self.minted.insert((outside, slot, clock), minted);
        minted
    }

    /// The table after a promotion, if the database does it.
    pub(super) fn promoted(&mut self, table: Id, asked: Promotion) -> Option<Id> {
        // Most tables have no key that waits: nothing to look up.
        if self.tables.facts(table).waits == 0 && !self.setting.has(Fault::NoCompareAndSwap) {
            return None;
        }
        if let Some(promoted) = self.promoted.get(&(table, asked)) {
            return *promoted;
        }
        let promoted = promote(&self.tables.part(table), asked, &self.setting).map(|after| self.table(after));
        self.promoted.insert((table, asked), promoted);
        promoted
    }

    /// The step that the rules ask for, and the tables that come of it.
    pub(super) fn maintained(&mut self, id: Id) -> (&'static str, Vec<Id>) {
        if let Some(known) = &self.tables.facts(id).maintenance {
            return known.clone();
        }
        let maintained = match maintain(&self.tables.part(id), &self.setting, &self.policy) {
            Maintenance::Nothing => ("", Vec::new()),
            Maintenance::Done(step, tables) => {
                (step, tables.into_iter().map(|table| self.table(table)).collect())
            }
            Maintenance::OutOfSlots => {
                self.ran_out_of_slots = true;
                ("", Vec::new())
            }
        };
        self.tables.facts_mut(id).maintenance = Some(maintained.clone());
        maintained
    }

    pub(super) fn revoked(&mut self, id: Id) -> Option<Id> {
        if let Some(known) = self.tables.facts(id).emergency {
            return known;
        }
        let revoked = revoke_active(&self.tables.part(id), &self.setting, &self.policy);
        let revoked = revoked.map(|table| self.table(table));
        self.tables.facts_mut(id).emergency = Some(revoked);
        revoked
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
}
