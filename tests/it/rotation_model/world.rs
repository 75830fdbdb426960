//! States, and the events possible in each.

use super::event::Event;
use super::interned::Id;
use super::invariants::{Invariant, Seen};
use super::outside::Outside;
use super::parts::Parts;
use super::replica::{Abilities, Clock, Promotion, Replica};
use super::setting::{Fault, Setting, Ticks};
use super::table::{Key, Table};

const REPLICAS: usize = 3;

/// Replicas are interchangeable, so their numbers are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    table: Id,
    replicas: [Id; REPLICAS],
    outside: Id,
}

pub(super) struct World {
    parts: Parts,
    starting: Id,
}

impl World {
    pub(super) fn new(setting: Setting) -> Self {
        let mut parts = Parts::new(setting);
        let starting = parts.replica(Replica::STARTING);
        Self { parts, starting }
    }

    /// A key that every cache has begins to sign, and all replicas start.
    pub(super) fn start(&mut self) -> State {
        let known = self.parts.oldest().published;
        let mut table = Table::default();
        table.insert(Key { visible: known, from: Some(0), ..Key::published(known) });
        let table = self.parts.table(table);
        let absent = self.parts.replica(Replica::ABSENT);
        let mut replicas = [absent; REPLICAS];
        replicas[..self.parts.setting().replicas].fill(self.starting);
        let outside = self.parts.outside(Outside::default());
        self.state(table, replicas, outside)
    }

    /// All possible next events.
    pub(super) fn successors(&mut self, state: State, found: &mut Vec<(Event, State)>) {
        found.clear();
        self.tick(state, found);
        self.database_steps(state, found);
        for place in 0..REPLICAS {
            // Equal replicas have equal successors.
            if place == 0 || state.replicas[place] != state.replicas[place - 1] {
                self.replica_steps(state, place, found);
            }
        }
    }

    pub(super) fn violated(&self, state: State, wanted: &[Invariant]) -> Option<Invariant> {
        let table = self.parts.tables.facts(state.table);
        let abilities = |place: usize| &self.parts.replicas.facts(state.replicas[place]).abilities;
        let replicas = [abilities(0), abilities(1), abilities(2)];
        let outside = self.parts.outsides.facts(state.outside);
        let seen = Seen {
            table: &table.judgement,
            replicas,
            records: [
                table.records(replicas[0].clock),
                table.records(replicas[1].clock),
                table.records(replicas[2].clock),
            ],
            cached: outside.cached,
            token: outside.token,
            clock_bound: self.parts.setting().clock_bound,
        };
        seen.violated(wanted)
    }

    pub(super) fn describe(&self, state: State) -> String {
        let table = self.parts.tables.part(state.table);
        let replicas = state.replicas.map(|id| self.parts.replicas.part(id).to_string()).join("; ");
        format!("{table} | {replicas} | {}", self.parts.outsides.part(state.outside))
    }

    /// Whether a key could not be made for lack of a slot, so that the exploration is incomplete.
    pub(super) fn ran_out_of_slots(&self) -> bool {
        self.parts.ran_out_of_slots
    }

    /// The numbers of different tables, replicas and outsides.
    pub(super) fn parts(&self) -> [usize; 3] {
        [self.parts.tables.len(), self.parts.replicas.len(), self.parts.outsides.len()]
    }

    fn tick(&mut self, state: State, found: &mut Vec<(Event, State)>) {
        let table = self.parts.older_table(state.table);
        let mut replicas = state.replicas;
        for replica in &mut replicas {
            *replica = self.parts.older_replica(*replica);
        }
        let outside = self.parts.older_outside(state.outside);
        let after = self.state(table, replicas, outside);
        found.push((Event::Tick, after));
    }

    fn database_steps(&mut self, state: State, found: &mut Vec<(Event, State)>) {
        let (step, tables) = self.parts.maintained(state.table);
        for table in tables.into_iter().flatten() {
            let after = self.state(table, state.replicas, state.outside);
            found.push((step, after));
        }
        for table in self.parts.revoked(state.table).into_iter().flatten() {
            let after = self.after_revocation(state, table);
            found.push((Event::Revoke, after));
        }
    }

    fn replica_steps(&mut self, state: State, place: usize, found: &mut Vec<(Event, State)>) {
        let id = state.replicas[place];
        match self.parts.replicas.facts(id).clock {
            Clock::Absent => return,
            Clock::Offset(clock) => self.synchronise(state, place, clock, found),
            Clock::Unknown => {
                for clock in self.parts.setting().clock_offsets {
                    self.synchronise(state, place, *clock, found);
                }
            }
        }
        if id != self.starting {
            let after = self.with_replica(state, place, self.starting);
            found.push((Event::Crash, after));
        }
        let Abilities { serves, signs, promotes, clock, .. } = self.parts.replicas.facts(id).abilities;
        if let Some(keys) = serves {
            let outside = self.parts.fetched(state.outside, keys);
            if outside != state.outside {
                found.push((Event::Fetch { keys }, State { outside, ..state }));
            }
        }
        if let Some(slot) = signs
            && self.parts.tables.facts(state.table).records(clock) & (1 << slot) != 0
            && let Some(outside) = self.parts.minted(state.outside, slot, clock)
        {
            found.push((Event::Mint { clock, slot }, State { outside, ..state }));
        }
        if let Some(asked) = promotes
            && let Some(after) = self.after_promotion(state, asked)
        {
            found.push((Event::Promote { clock, next: asked.next, after: asked.after }, after));
        }
    }

    fn synchronise(&mut self, state: State, place: usize, clock: Ticks, found: &mut Vec<(Event, State)>) {
        let read = self.parts.synchronised(state.table, state.replicas[place], clock);
        if read == state.replicas[place] {
            return;
        }
        let after = self.with_replica(state, place, read);
        found.push((Event::Synchronise { clock }, after));
    }

    fn after_promotion(&mut self, state: State, asked: Promotion) -> Option<State> {
        let table = self.parts.promoted(state.table, asked)?;
        let waits_for_replicas = state.replicas.iter().any(|id| {
            let abilities = &self.parts.replicas.facts(*id).abilities;
            abilities.has_live_lease && !abilities.acknowledges
        });
        if waits_for_replicas && !self.parts.setting().has(Fault::NoAcknowledgements) {
            return None;
        }
        let replicas = self.without_acknowledgements(state.replicas);
        Some(self.state(table, replicas, state.outside))
    }

    fn after_revocation(&mut self, state: State, table: Id) -> State {
        let mut replicas = state.replicas;
        if !self.parts.same_waits(state.table, table) {
            replicas = self.without_acknowledgements(replicas);
        }
        // Tokens of a revoked key need no tracking.
        let revoked = self.parts.tables.facts(table).judgement.revoked;
        let outside = self.parts.outsides.part(state.outside);
        let token = outside.token.filter(|token| revoked & (1 << token.slot) == 0);
        let outside = self.parts.outside(Outside { token, ..outside });
        self.state(table, replicas, outside)
    }

    fn without_acknowledgements(&mut self, mut replicas: [Id; REPLICAS]) -> [Id; REPLICAS] {
        for replica in &mut replicas {
            *replica = self.parts.without_acknowledgement(*replica);
        }
        replicas
    }

    fn with_replica(&mut self, state: State, place: usize, replica: Id) -> State {
        let mut replicas = state.replicas;
        replicas[place] = replica;
        self.state(state.table, replicas, state.outside)
    }

    /// Sorted, and without keys that no longer matter.
    fn state(&mut self, table: Id, mut replicas: [Id; REPLICAS], outside: Id) -> State {
        if self.parts.tables.facts(table).past != 0
            && let Some(slot) = self.forgettable(table, replicas, outside)
        {
            return self.without(slot, table, replicas, outside);
        }
        if replicas[0] > replicas[1] {
            replicas.swap(0, 1);
        }
        if replicas[1] > replicas[2] {
            replicas.swap(1, 2);
        }
        if replicas[0] > replicas[1] {
            replicas.swap(0, 1);
        }
        State { table, replicas, outside }
    }

    /// A key out of service that no process can sign with any more and no token needs.
    fn forgettable(&self, table: Id, replicas: [Id; REPLICAS], outside: Id) -> Option<usize> {
        let mut free = self.parts.tables.facts(table).past;
        for replica in replicas {
            free &= !self.parts.replicas.facts(replica).abilities.may_sign_later;
        }
        free &= !self.parts.outsides.facts(outside).token;
        (free != 0).then(|| free.trailing_zeros() as usize)
    }

    fn without(&mut self, slot: usize, table: Id, mut replicas: [Id; REPLICAS], outside: Id) -> State {
        let table = self.parts.table_without(table, slot);
        for replica in &mut replicas {
            *replica = self.parts.replica_without(*replica, slot);
        }
        let outside = self.parts.outside_without(outside, slot);
        self.state(table, replicas, outside)
    }
}

/// A state as one number. Part numbers that do not fit would merge two states, so they are refused.
impl State {
    const TABLE_BITS: u32 = 14;
    const REPLICA_BITS: u32 = 14;
    const OUTSIDE_BITS: u32 = 8;

    pub(super) fn packed(&self) -> u64 {
        assert!(self.table >> Self::TABLE_BITS == 0, "too many different tables");
        assert!(self.replicas[REPLICAS - 1] >> Self::REPLICA_BITS == 0, "too many different replicas");
        assert!(self.outside >> Self::OUTSIDE_BITS == 0, "too many different outsides");
        let mut packed = u64::from(self.table);
        for replica in self.replicas {
            packed = packed << Self::REPLICA_BITS | u64::from(replica);
        }
        packed << Self::OUTSIDE_BITS | u64::from(self.outside)
    }

    pub(super) fn unpacked(packed: u64) -> Self {
        let part =
            |shift: u32, bits: u32| Id::try_from(packed >> shift & ((1 << bits) - 1)).expect("few bits");
        let replica = |place: u32| part(Self::OUTSIDE_BITS + place * Self::REPLICA_BITS, Self::REPLICA_BITS);
        Self {
            table: part(Self::OUTSIDE_BITS + 3 * Self::REPLICA_BITS, Self::TABLE_BITS),
            replicas: [replica(2), replica(1), replica(0)],
            outside: part(0, Self::OUTSIDE_BITS),
        }
    }
}
