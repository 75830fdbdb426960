//! Simulates months of rotation with every kind of fault on the real code: no valid token is refused, and no
//! token of a revoked key is accepted beyond the bounds of the caches.
//!
//! Every seed is a separate world, and the same seed gives the same world. To repeat a failed one, set
//! `RUNMINT_TEST_SEED` to a seed or a range of seeds (`7` or `7..90`).

mod agenda;
mod chance;
mod emergency;
mod journal;
mod keys;
mod line;
mod looks;
mod policy;
mod records;
mod replica;
mod tokens;
mod totals;
mod trouble;
mod verifier;
mod world;

use std::io::Write as _;
use std::num::NonZero;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use self::journal::Journal;
use self::totals::Totals;
use self::world::World;
use crate::harness::{Engine, ManualClock, START, TestDatabase};

/// Slightly more than a minute on two cores.
#[test]
fn no_valid_token_is_refused_in_a_few_hundred_seeds() {
    live_through(0..240);
}

#[test]
#[ignore = "takes the better part of an hour on two cores; `make check-long` runs it"]
fn no_valid_token_is_refused_in_ten_thousand_seeds() {
    live_through(1_000..11_000);
}

#[test]
fn the_same_seed_gives_the_same_world() {
    let lane = lane();
    for seed in [3, 4, 5] {
        let (first, again) = (live(&lane, seed).unwrap(), live(&lane, seed).unwrap());
        let differs = first.1.iter().zip(&again.1).position(|(first, again)| first != again);
        if let Some(line) = differs {
            panic!("seed {seed}, line {line}:\n{}\n\n{}", first.1[..=line].join("\n"), again.1[line]);
        }
        assert_eq!(first.1.len(), again.1.len(), "seed {seed}");
    }
}

/// Runs as many seeds at a time as there are cores, until the first failure.
fn live_through(seeds: Range<u64>) {
    let asked_for = asked_for();
    let seeds = asked_for.clone().unwrap_or(seeds);
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let lane = lane();
        let mut totals = Totals::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !seeds.contains(&seed) {
                return Ok(totals);
            }
            match live(&lane, seed) {
                Ok((lived, _)) => totals.add(&lived),
                Err(trace) => {
                    next.store(seeds.end, Ordering::Relaxed);
                    return Err(trace);
                }
            }
        }
    };
    let lived: Vec<Result<Totals, String>> = thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(2, NonZero::get);
        let lanes: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).collect()
    });
    let mut totals = Totals::default();
    for lane in lived {
        totals.add(&lane.unwrap_or_else(|trace| panic!("{trace}")));
    }
    // Bypasses the harness, which hides the output of a test that passes.
    std::io::stderr().write_all(totals.to_string().as_bytes()).unwrap();
    if asked_for.is_none() {
        totals.prove_something();
    }
}

/// The seeds to use instead of the default ones.
#[expect(clippy::disallowed_methods, reason = "the harness is told which seed failed")]
fn asked_for() -> Option<Range<u64>> {
    let text = std::env::var("RUNMINT_TEST_SEED").ok()?;
    let number = |text: &str| text.parse().expect("RUNMINT_TEST_SEED is a number, or two as in 7..90");
    Some(match text.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => number(&text)..number(&text) + 1,
    })
}

/// The runtime of one world. More threads would only wake each other; a process that sleeps while the others
/// continue gets one more.
fn lane() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// The totals and the trace; or instructions for analysing the failure.
fn live(lane: &Runtime, seed: u64) -> Result<(Totals, Vec<String>), String> {
    let folder = folder();
    let truth = Arc::new(ManualClock::at(START.parse().unwrap()));
    let journal = Arc::new(Journal::new(Arc::clone(&truth)));
    let writes = Arc::clone(&journal);
    let path = folder.path().to_owned();
    let lived = lane.block_on(lane.spawn(async move {
        let database = TestDatabase::create(Engine::Sqlite, &path).await;
        let mut world = World::new(seed, database, truth, writes).await;
        world.live().await;
        world.totals
    }));
    match lived {
        Ok(totals) => Ok((totals, journal.lines())),
        Err(_) => Err(format!(
            "{}\nseed {seed} failed; again: RUNMINT_TEST_SEED={seed} cargo test --test it rotation_simulation::no_valid_token_is_refused_in_a_few_hundred_seeds",
            journal.lines().join("\n")
        )),
    }
}

/// In memory if possible: the databases are many and short-lived.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}
