//! Explores all states breadth first, so that a counterexample is a shortest one.

use std::time::{Duration, Instant};

use super::event::Event;
use super::invariants::Invariant;
use super::setting::Setting;
use super::world::{State, World};

pub(super) struct Exploration {
    pub(super) states: usize,
    pub(super) transitions: usize,
    /// The number of transitions by kind of event.
    pub(super) events: [usize; Event::KINDS.len()],
    pub(super) depth: usize,
    pub(super) took: Duration,
    pub(super) bytes: usize,
    /// The numbers of different tables, replicas and outsides.
    pub(super) parts: [usize; 3],
    /// Whether there was room for all keys.
    pub(super) is_complete: bool,
    pub(super) violation: Option<Violation>,
}

#[derive(Debug)]
pub(super) struct Violation {
    pub(super) invariant: Invariant,
    /// The events and states from the start to the violating state.
    pub(super) trace: Vec<String>,
}

/// Runs until no state is new, or one of `wanted` is violated.
pub(super) fn explore(setting: Setting, wanted: &[Invariant]) -> Exploration {
    let started = Instant::now();
    let mut world = World::new(setting);
    let start = world.start();
    let mut seen = Seen::default();
    seen.insert(start.packed(), 0);
    let mut events = [0; Event::KINDS.len()];
    let mut depth = 0;
    let mut end_of_level = 1;
    let mut violation = world.violated(start, wanted).map(|invariant| (invariant, 0));
    let mut found = Vec::new();
    let mut at = 0;
    while at < seen.states.len() && violation.is_none() {
        if at == end_of_level {
            depth += 1;
            end_of_level = seen.states.len();
        }
        let state = State::unpacked(seen.states[at]);
        world.successors(state, &mut found);
        for (event, next) in &found {
            events[event.kind()] += 1;
            if seen.insert(next.packed(), at)
                && let Some(invariant) = world.violated(*next, wanted)
            {
                violation = Some((invariant, seen.states.len() - 1));
                break;
            }
        }
        at += 1;
    }
    let violation =
        violation.map(|(invariant, state)| Violation { invariant, trace: trace(&mut world, &seen, state) });
    Exploration {
        states: seen.states.len(),
        transitions: events.iter().sum(),
        events,
        depth,
        took: started.elapsed(),
        bytes: seen.bytes(),
        parts: world.parts(),
        is_complete: !world.ran_out_of_slots(),
        violation,
    }
}

fn trace(world: &mut World, seen: &Seen, last: usize) -> Vec<String> {
    let mut path = vec![last];
    while let Some(at) = path.last().copied().filter(|at| *at != 0) {
        path.push(usize::try_from(seen.parents[at]).expect("an index"));
    }
    path.reverse();
    let mut trace = vec![world.describe(State::unpacked(seen.states[0]))];
    let mut found = Vec::new();
    for step in path.windows(2) {
        world.successors(State::unpacked(seen.states[step[0]]), &mut found);
        let (event, state) =
            found.iter().find(|(_, next)| next.packed() == seen.states[step[1]]).expect("a successor");
        trace.push(format!("{event:?}: {}", world.describe(*state)));
    }
    trace
}

/// The states in order of discovery, with an open-addressing index: a few bytes per state, and no generic
/// code, which a test build would not optimise.
#[derive(Default)]
struct Seen {
    states: Vec<u64>,
    parents: Vec<u32>,
    /// Positions in `states` plus one; 0 means empty. The length is a power of two.
    index: Vec<u32>,
}

impl Seen {
    /// Whether the state is new.
    fn insert(&mut self, state: u64, parent: usize) -> bool {
        if self.states.len() * 4 >= self.index.len() * 3 {
            self.grow();
        }
        let place = self.place_of(state);
        if self.index[place] != 0 {
            return false;
        }
        self.states.push(state);
        self.parents.push(u32::try_from(parent).expect("fewer states than that"));
        self.index[place] = u32::try_from(self.states.len()).expect("fewer states than that");
        true
    }

    /// The position of the state in the index, or where it belongs.
    fn place_of(&self, state: u64) -> usize {
        let mask = self.index.len() - 1;
        // The finalizer of splitmix64, so that similar states are far apart here.
        let mut hash = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^= hash >> 31;
        let mut place = usize::try_from(hash).expect("64 bits") & mask;
        loop {
            let entry = self.index[place];
            if entry == 0 || self.states[entry as usize - 1] == state {
                return place;
            }
            place = (place + 1) & mask;
        }
    }

    fn grow(&mut self) {
        self.index = vec![0; (self.index.len() * 2).max(1 << 16)];
        for at in 0..self.states.len() {
            let place = self.place_of(self.states[at]);
            self.index[place] = u32::try_from(at + 1).expect("fewer states than that");
        }
    }

    fn bytes(&self) -> usize {
        self.states.capacity() * 8 + self.parents.capacity() * 4 + self.index.capacity() * 4
    }
}
