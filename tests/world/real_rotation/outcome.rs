//! The results in numbers.

use std::fmt;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::chaos::{Chaos, Counts};
use super::watch::{Signed, check_succession, succession};

/// Of unexpected events, show at most this many.
const SHOWN: usize = 20;

pub(super) struct Outcome {
    tokens: usize,
    verifications: u64,
    too_late: u64,
    not_minted: u64,
    looks: u64,
    refusals: Vec<String>,
    violations: Vec<String>,
    keys: Vec<Signed>,
    counts: Counts,
    seed: u64,
    took: Duration,
}

impl Outcome {
    pub(super) async fn of(chaos: &Chaos, took: Duration) -> Self {
        let (load, watch) = (&chaos.load, &chaos.watch);
        let keys = succession(&chaos.replicas.installation.database).await;
        Self {
            tokens: load.tokens.lock().unwrap().len(),
            verifications: load.verifications.load(Ordering::Relaxed),
            too_late: load.too_late.load(Ordering::Relaxed),
            not_minted: load.not_minted.load(Ordering::Relaxed),
            looks: watch.looks.load(Ordering::Relaxed),
            refusals: load.refusals.lock().unwrap().clone(),
            violations: watch.violations.lock().unwrap().clone(),
            keys,
            counts: chaos.counts.clone(),
            seed: chaos.seed,
            took,
        }
    }

    /// Bypasses `print!`, whose output the harness hides for tests that pass.
    pub(super) fn print(&self) {
        let _ = writeln!(std::io::stderr(), "{self}");
    }

    fn rotations(&self) -> usize {
        self.keys.len() - 1
    }

    pub(super) fn check(&self, rotations: i64) {
        none("refusals", &self.refusals);
        none("violations", &self.violations);
        check_succession(&self.keys, &self.counts.asked);
        assert!(i64::try_from(self.rotations()).unwrap() >= rotations);
        let Counts { kills, pauses, after_pauses, database_stops, .. } = self.counts;
        assert!(kills >= 4 && pauses >= 2 && database_stops >= 2, "{self}");
        assert!(after_pauses > 0, "no process that slept minted again: {self}");
        assert!(self.tokens > 1_000 && self.verifications >= 6 * self.tokens as u64, "{self}");
        assert!(self.too_late * 5 < self.verifications, "this machine is too busy for it: {self}");
    }
}

fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{} {what}:\n{}", found.len(), found[..found.len().min(SHOWN)].join("\n"));
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tokens, verifications, too_late, not_minted, looks, seed, .. } = self;
        let Counts { kills, pauses, after_pauses, database_stops, longest_outage, asked } = &self.counts;
        write!(
            f,
            "real rotation: {tokens} tokens, {} rotations ({} asked for), {kills} kills, {} refusals; \
             {verifications} verifications ({too_late} too late to count), {not_minted} requests without a token, \
             {pauses} pauses ({after_pauses} tokens after them), {database_stops} database stops ({:.1} s at most), \
             {looks} looks, {} violations, {:.0} s, seed {seed}",
            self.rotations(),
            asked.len(),
            self.refusals.len(),
            longest_outage.as_secs_f64(),
            self.violations.len(),
            self.took.as_secs_f64(),
        )
    }
}
