//! The events: one transaction or one action of a process each.

use super::setting::Ticks;
use super::table::Slots;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Tick,
    /// A replica reads the keys, renews its lease and acknowledges what it serves.
    Synchronise {
        clock: Ticks,
    },
    /// A replica loses its memory and restarts on any machine.
    Crash,
    /// The verifier gets a key set from a replica.
    Fetch {
        keys: Slots,
    },
    /// A token is recorded and signed.
    Mint {
        clock: Ticks,
        slot: usize,
    },
    /// A replica asks the database to promote the next key.
    Promote {
        clock: Ticks,
        next: usize,
        after: Ticks,
    },
    MakeNext,
    Destroy,
    Remove,
    Revoke,
}

impl Event {
    pub(super) const KINDS: [&str; 10] = [
        "ticks",
        "synchronisations",
        "crashes",
        "fetches",
        "tokens",
        "promotions",
        "next keys",
        "destructions",
        "removals",
        "revocations",
    ];

    /// The index in `KINDS`.
    pub(super) fn kind(self) -> usize {
        match self {
            Self::Tick => 0,
            Self::Synchronise { .. } => 1,
            Self::Crash => 2,
            Self::Fetch { .. } => 3,
            Self::Mint { .. } => 4,
            Self::Promote { .. } => 5,
            Self::MakeNext => 6,
            Self::Destroy => 7,
            Self::Remove => 8,
            Self::Revoke => 9,
        }
    }
}
