//! Months of rotation, with everything that goes wrong in them, lived through by the real code: not one
//! valid token is refused, and not one of a revoked key is accepted after the bounds of the caches.
//!
//! Every seed is a world of its own, and the same seed is the same world. One that failed is lived through
//! again with `RUNMINT_TEST_SEED`.

mod agenda;
mod chance;
mod emergency;
mod journal;
mod keys;
mod line;
mod policy;
mod records;
mod replica;
mod tokens;
mod totals;
mod trouble;
mod verifier;
mod world;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use tokio::task::JoinSet;

use self::journal::Journal;
use self::totals::Totals;
use self::world::World;
use crate::harness::{Engine, ManualClock, START, TestDatabase};

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_few_hundred_seeds() {
    let totals = live_through(seeds(0..240)).await;
    println!("{totals}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
#[ignore = "takes half an hour; `make check-long` runs it"]
async fn ten_thousand_seeds() {
    let totals = live_through(seeds(1_000..11_000)).await;
    println!("{totals}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_same_seed_is_the_same_world() {
    for seed in [3, 4, 5] {
        let (first, again) = (live(seed).await.unwrap(), live(seed).await.unwrap());
        let differs = first.1.iter().zip(&again.1).position(|(first, again)| first != again);
        if let Some(line) = differs {
            panic!("seed {seed}, line {line}:\n{}\n\n{}", first.1[..=line].join("\n"), again.1[line]);
        }
        assert_eq!(first.1.len(), again.1.len(), "seed {seed}");
    }
}

/// The seed to live through again, or all of them.
#[expect(clippy::disallowed_methods, reason = "the harness is told which seed failed")]
fn seeds(all: std::ops::Range<u64>) -> std::ops::Range<u64> {
    match std::env::var("RUNMINT_TEST_SEED") {
        Ok(text) => {
            let seed = text.parse().expect("RUNMINT_TEST_SEED is a number");
            seed..seed + 1
        }
        Err(_) => all,
    }
}

async fn live_through(seeds: std::ops::Range<u64>) -> Totals {
    let next = Arc::new(AtomicU64::new(seeds.start));
    let mut workers = JoinSet::new();
    for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
        let (next, end) = (Arc::clone(&next), seeds.end);
        workers.spawn(async move {
            let mut totals = Totals::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= end {
                    return totals;
                }
                match live(seed).await {
                    Ok((lived, _)) => totals.add(&lived),
                    Err(trace) => panic!("{trace}"),
                }
            }
        });
    }
    let mut totals = Totals::default();
    while let Some(done) = workers.join_next().await {
        match done {
            Ok(lived) => totals.add(&lived),
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
    totals
}

/// What was lived through and its trace; or what to read and do when it failed.
async fn live(seed: u64) -> Result<(Totals, Vec<String>), String> {
    let folder = folder();
    let truth = Arc::new(ManualClock::at(START.parse().unwrap()));
    let journal = Arc::new(Journal::new(Arc::clone(&truth)));
    let database = TestDatabase::create(Engine::Sqlite, folder.path()).await;
    let writes = Arc::clone(&journal);
    let lived = tokio::spawn(async move {
        let mut world = World::new(seed, database, truth, writes).await;
        world.live().await;
        world.totals
    });
    match lived.await {
        Ok(totals) => Ok((totals, journal.lines())),
        Err(_) => Err(format!(
            "{}\nseed {seed} failed; again: RUNMINT_TEST_SEED={seed} cargo test --test it rotation_simulation::a_few_hundred_seeds",
            journal.lines().join("\n")
        )),
    }
}

/// In memory where there is such a place: the databases are many and short-lived.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}
