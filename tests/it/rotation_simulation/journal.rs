//! A trace of events, for analysing a seed that failed.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use runmint::clock::Clock;

use crate::harness::ManualClock;

pub(super) struct Journal {
    clock: Arc<ManualClock>,
    start: Timestamp,
    lines: Mutex<Vec<String>>,
    /// Key ids are random even for the same seed, so the trace uses names.
    names: Mutex<HashMap<String, String>>,
}

impl Journal {
    pub(super) fn new(clock: Arc<ManualClock>) -> Self {
        Self { start: clock.now(), clock, lines: Mutex::default(), names: Mutex::default() }
    }

    pub(super) fn note(&self, what: impl Display) {
        let line = format!("{}  {what}", days(self.clock.now().duration_since(self.start)));
        self.lines.lock().unwrap().push(line);
    }

    /// Ends the seed with a failure.
    pub(super) fn wrong(&self, what: impl Display) -> ! {
        self.note(format_args!("WRONG: {what}"));
        panic!("{what}");
    }

    pub(super) fn must(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong(what());
        }
    }

    pub(super) fn give_name(&self, kid: &str, name: String) {
        self.names.lock().unwrap().insert(kid.to_owned(), name);
    }

    pub(super) fn is_named(&self, kid: &str) -> bool {
        self.names.lock().unwrap().contains_key(kid)
    }

    pub(super) fn name(&self, kid: &str) -> String {
        self.names.lock().unwrap().get(kid).cloned().unwrap_or_else(|| "a key that nobody knows".into())
    }

    pub(super) fn at(&self, time: Timestamp) -> String {
        days(time.duration_since(self.start))
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

fn days(since: SignedDuration) -> String {
    let millis = since.as_millis();
    let (days, rest) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60);
    format!("{days:3}d {hours:02}:{minutes:02}:{:02}.{:03}", rest / 1_000 % 60, rest % 1_000)
}
