//! How much was lived through: a simulation in which nothing happens proves nothing.

macro_rules! totals {
    ($($name:ident: $text:literal),* $(,)?) => {
        #[derive(Clone, Copy, Debug, Default)]
        pub(super) struct Totals {
            $(pub(super) $name: u64,)*
        }

        impl Totals {
            pub(super) fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }
        }

        impl std::fmt::Display for Totals {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $(writeln!(f, "{:>12}  {}", self.$name, $text)?;)*
                Ok(())
            }
        }
    };
}

totals! {
    seeds: "seeds",
    days: "days lived",
    looks: "looks of a process",
    tokens: "tokens",
    refused_mints: "tokens that a process would not give",
    shown: "tokens shown to a verifier",
    signatures: "of them verified bit by bit, the others by their key",
    fetches: "fetches of the key set",
    unanswered_fetches: "fetches that nobody answered",
    unanswered: "tokens that a verifier could not judge for that",
    outside: "tokens that were shown too late or too early",
    rotations: "keys that began to sign",
    removals: "keys that were removed",
    asked_rotations: "rotations that were asked for and granted",
    emergencies: "emergencies",
    forged_accepted: "tokens of a thief accepted within the bounds of the caches",
    forged_refused: "tokens of a thief refused",
    crashes: "crashes",
    lost: "accesses that were lost",
    sleeps: "sleeps in the middle of something",
    freezes: "processes that stood still",
    cuts: "processes cut off from the database",
    outages: "outages of the database",
    clock_steps: "clocks that stepped",
    broken_clocks: "clocks beyond the bound",
    barred: "refusals to sign with such a clock",
    joins: "processes that joined",
    leaves: "processes that left",
    late_pollers: "tokens that a poller did not know after an answer from a process that was cut off",
    late_pollers_in_emergency: "tokens that a poller did not know after an emergency",
}
