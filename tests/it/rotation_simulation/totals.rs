//! Counts the events: a simulation in which nothing happens proves nothing.

use std::fmt;

use super::verifier::Caching;

/// Each with its name and its minimum in a hundred seeds.
macro_rules! totals {
    ($($name:ident: $least:literal, $text:literal);* $(;)?) => {
        #[derive(Clone, Copy, Debug, Default)]
        pub(super) struct Totals {
            $(pub(super) $name: u64,)*
        }

        impl Totals {
            pub(super) fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// For a hundred seeds or more.
            pub(super) fn prove_something(&self) {
                $(assert!(self.$name >= $least * self.seeds / 100, "only {} {}", self.$name, $text);)*
            }
        }

        impl fmt::Display for Totals {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                writeln!(f)?;
                $(writeln!(f, "{:>12}  {}", self.$name, $text)?;)*
                // The first one would have ended the seed.
                writeln!(f, "{:>12}  good tokens refused", 0)
            }
        }
    };
}

totals! {
    seeds: 100, "seeds";
    days: 3_000, "days lived";
    looks: 20_000, "looks of a process";
    looks_left_out: 0, "times that looks which would have found nothing were left out";
    accesses: 50_000, "times that the line to the database was asked whether it holds";
    tokens: 1_500, "tokens";
    refused_mints: 50, "tokens that a process would not give";
    shown: 40_000, "tokens shown to a verifier";
    signatures: 1_500, "of them verified bit by bit, the others by their key";
    accepted_by_max_age: 4_000, "tokens accepted by a verifier that heeds Cache-Control (Envoy, Confluent)";
    accepted_by_go_oidc_2: 4_000, "by go-oidc up to 2.1";
    accepted_by_go_oidc_3: 4_000, "by go-oidc 3 or aws-jwt-verify";
    accepted_by_jose: 4_000, "by jose";
    accepted_by_pyjwt: 4_000, "by PyJWT";
    accepted_by_microsoft: 4_000, "by Microsoft.IdentityModel";
    accepted_by_poller: 3_000, "by one that polls";
    accepted_by_minio: 4_000, "by MinIO";
    unanswered: 10, "tokens that a verifier could not judge because nobody answered its fetch";
    outside: 10, "tokens that were shown too late or too early";
    fetches: 15_000, "fetches of the key set";
    unanswered_fetches: 50, "fetches that nobody answered";
    rotations: 500, "keys that began to sign";
    removals: 300, "keys that were removed";
    asked_rotations: 50, "rotations that were asked for and granted";
    emergencies: 30, "emergencies";
    forged_accepted: 300, "tokens of a thief accepted within the bounds of the caches";
    forged_refused: 300, "tokens of a thief refused";
    crashes: 100, "crashes";
    lost: 50, "accesses that were lost";
    sleeps: 50, "sleeps in the middle of something";
    freezes: 40, "processes that stood still";
    cuts: 40, "processes cut off from the database";
    blind: 40, "processes that could open no key";
    outages: 40, "outages of the database";
    clock_steps: 200, "clocks that stepped";
    broken_clocks: 40, "clocks beyond the bound";
    barred_ahead: 100, "refusals to sign with a clock that is too far ahead";
    barred_behind: 100, "refusals to sign with a clock that is too far behind";
    joins: 40, "processes that joined";
    leaves: 40, "processes that left";
}

impl Totals {
    pub(super) fn accepted_by(&mut self, caching: Caching) -> &mut u64 {
        match caching {
            Caching::MaxAge => &mut self.accepted_by_max_age,
            Caching::GoOidc2 => &mut self.accepted_by_go_oidc_2,
            Caching::GoOidc3 => &mut self.accepted_by_go_oidc_3,
            Caching::Jose => &mut self.accepted_by_jose,
            Caching::PyJwt => &mut self.accepted_by_pyjwt,
            Caching::Microsoft => &mut self.accepted_by_microsoft,
            Caching::Poller(_) => &mut self.accepted_by_poller,
            Caching::Minio => &mut self.accepted_by_minio,
        }
    }
}
