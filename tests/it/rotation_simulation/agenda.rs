//! Future events, in order.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

pub(super) enum Event {
    Mint,
    /// This token is presented to this verifier.
    Show {
        token: usize,
        verifier: usize,
    },
    Poll(usize),
    /// A fault, or an operator's action.
    Trouble(Trouble),
    /// The fault of this machine ends.
    Recover(usize, Recovery),
    OutageEnds,
    /// A thief signs with the revoked key.
    Forge,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    Crash,
    Lose,
    Sleep,
    Freeze,
    CutOff,
    Blind,
    Outage,
    StepClock,
    BreakClock,
    Rotate,
    Join,
    Leave,
    Emergency,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Recovery {
    Start,
    Thaw,
    Mend,
    See,
    SetClock(SignedDuration),
}

#[derive(Default)]
pub(super) struct Agenda {
    entries: BTreeMap<(Timestamp, u64), Event>,
    count: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Timestamp, event: Event) {
        self.count += 1;
        self.entries.insert((at, self.count), event);
    }

    /// The next event, if it is due by then.
    pub(super) fn take_until(&mut self, until: Timestamp) -> Option<(Timestamp, Event)> {
        let entry = self.entries.first_entry().filter(|entry| entry.key().0 <= until)?;
        let (at, _) = *entry.key();
        Some((at, entry.remove()))
    }
}
