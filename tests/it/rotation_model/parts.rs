//! The parts of states by number, with their derived facts. All decisions of the real rules are requested
//! here, once for each part.

use runmint::signing::rotation::RotationPolicy;

use super::database::{Maintenance, maintain, promote, revocations};
use super::event::Event;
use super::facts::{
    Known, OUTCOMES, OutsideFacts, ReplicaFacts, TableFacts, place_of_promotion, place_of_token,
};
use super::interned::{Id, Interned};
use super::outside::{Outside, Token};
use super::replica::{Promotion, Replica};
use super::setting::{Fault, Oldest, Setting, Ticks};
use super::table::{Slots, Table};

pub(super) struct Parts {
    setting: Setting,
    policy: RotationPolicy,
    oldest: Oldest,
    /// The delay between the decision and the effect of a promotion.
    lead: Ticks,
    pub(super) tables: Interned<Table, TableFacts>,
    pub(super) replicas: Interned<Replica, ReplicaFacts>,
    pub(super) outsides: Interned<Outside, OutsideFacts>,
    /// Whether a key could not be made for lack of a slot, so that the exploration is incomplete.
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
        self.tables.id_of(table, |table| TableFacts::of(table, setting, policy, *oldest))
    }

    pub(super) fn replica(&mut self, replica: Replica) -> Id {
        let Self { setting, policy, .. } = self;
        self.replicas.id_of(replica, |replica| ReplicaFacts::of(replica, setting, policy))
    }

    pub(super) fn outside(&mut self, outside: Outside) -> Id {
        self.outsides.id_of(outside, OutsideFacts::of)
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
        let place = self.replicas.facts(replica).place_of_read(clock);
        if let Known::Part(read) = self.tables.facts(table).synchronised.at(place) {
            return read;
        }
        let read = self.replicas.part(replica);
        let read = read.synchronised(clock, &self.tables.part(table), self.oldest);
        let read = self.replica(read);
        self.tables.facts_mut(table).synchronised.set(place, Some(read));
        read
    }

    pub(super) fn fetched(&mut self, outside: Id, keys: Slots) -> Id {
        let place = usize::from(keys);
        if let Known::Part(fetched) = self.outsides.facts(outside).fetched.at(place) {
            return fetched;
        }
        let fetched = self.outsides.part(outside).fetched(keys);
        let fetched = self.outside(fetched);
        self.outsides.facts_mut(outside).fetched.set(place, Some(fetched));
        fetched
    }

    /// A token is recorded and signed. `None` while another token is tracked.
    pub(super) fn minted(&mut self, outside: Id, slot: usize, clock: Ticks) -> Option<Id> {
        let place = place_of_token(slot, clock);
        match self.outsides.facts(outside).minted.at(place) {
            Known::Part(known) => return Some(known),
            Known::Impossible => return None,
            Known::NotYet => {}
        }
        let left = clock + self.setting.token_life_minted() + self.setting.leeway;
        let before = self.outsides.part(outside);
        let minted = (before.token.is_none() && left >= 0)
            .then(|| self.outside(Outside { token: Some(Token { slot, left }), ..before }));
        self.outsides.facts_mut(outside).minted.set(place, minted);
        minted
    }

    /// The table after a promotion, if the database performs it.
    pub(super) fn promoted(&mut self, table: Id, asked: Promotion) -> Option<Id> {
        // Most tables have no waiting key, so there is nothing to look up.
        if self.tables.facts(table).waits == 0 && !self.setting.has(Fault::NoCompareAndSwap) {
            return None;
        }
        let place = place_of_promotion(asked, asked.after - self.lead);
        match self.tables.facts(table).promoted.at(place) {
            Known::Part(known) => return Some(known),
            Known::Impossible => return None,
            Known::NotYet => {}
        }
        let promoted = promote(&self.tables.part(table), asked, &self.setting).map(|after| self.table(after));
        self.tables.facts_mut(table).promoted.set(place, promoted);
        promoted
    }

    /// The step that the rules require, and the resulting tables.
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

    /// The tables that a revocation may produce.
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
        if let Known::Part(known) = self.tables.facts(id).without.at(slot) {
            return known;
        }
        let without = self.tables.part(id).without(slot);
        let without = self.table(without);
        self.tables.facts_mut(id).without.set(slot, Some(without));
        without
    }

    pub(super) fn replica_without(&mut self, id: Id, slot: usize) -> Id {
        if let Known::Part(known) = self.replicas.facts(id).without.at(slot) {
            return known;
        }
        let without = self.replicas.part(id).without(slot);
        let without = self.replica(without);
        self.replicas.facts_mut(id).without.set(slot, Some(without));
        without
    }

    pub(super) fn outside_without(&mut self, id: Id, slot: usize) -> Id {
        if let Known::Part(known) = self.outsides.facts(id).without.at(slot) {
            return known;
        }
        let without = self.outsides.part(id).without(slot);
        let without = self.outside(without);
        self.outsides.facts_mut(id).without.set(slot, Some(without));
        without
    }
}
