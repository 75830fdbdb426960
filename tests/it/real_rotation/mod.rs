//! Rotation as it is in service: processes that may die at any moment, a database that goes away, the
//! machine's own clock, and verifiers that nobody here wrote. These are the tests that wait, because what
//! they wait for is outside this process; everything else about rotation is tested with a clock that is set.

mod agreement;
mod chaos;
mod fast;
mod load;
mod postgres;
mod proxy;
mod replicas;
mod verifiers;
mod watch;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use self::chaos::Chaos;
use self::load::Load;
use self::postgres::Postgres;
use self::replicas::Replicas;
use self::watch::Watch;

/// Each asks for twelve tokens a second.
const RUNS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_token_verifies_while_keys_rotate_and_processes_die() {
    live_through(3, 20_261_121).await;
}

#[ignore = "takes ten minutes"]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_token_verifies_for_ten_minutes_of_it() {
    live_through(33, 20_261_122).await;
}

async fn live_through(rotations: i64, seed: u64) {
    let began = Instant::now();
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap();
    let replicas = Replicas::start(&postgres).await;
    let mut runs = replicas.start_runs(RUNS + 1).await;
    let run = runs.pop().unwrap();
    let issuer = replicas.issuer();
    let verifiers = tokio::task::spawn_blocking(move || verifiers::start_all(&issuer, "acme")).await.unwrap();
    let load = Load::new(verifiers, replicas.base_url());
    let watch = Watch::new(replicas.installation.database.clone(), &replicas.issuer());

    let watching = tokio::spawn(Arc::clone(&watch).keep_looking());
    let asking = load.start(&runs);
    let mut chaos = Chaos {
        replicas,
        postgres,
        load: Arc::clone(&load),
        watch: Arc::clone(&watch),
        run,
        seed,
        kills: 0,
        pauses: 0,
        database_stops: 0,
        longest_outage: Duration::ZERO,
        asked: Vec::new(),
    };
    chaos.reign(rotations).await;
    load.stop();
    asking.join_all().await;
    watching.abort();

    let refusals = load.refusals.lock().unwrap().clone();
    let violations = watch.violations.lock().unwrap().clone();
    let tokens = std::mem::take(&mut *load.tokens.lock().unwrap());
    let verifications = load.verifications.load(Ordering::Relaxed);
    let too_late = load.too_late.load(Ordering::Relaxed);
    let database = &chaos.replicas.installation.database;
    let rotated = watch::check_succession(database, &chaos.asked).await;
    // Not print!, whose output is kept from whoever runs the tests when they pass.
    let _ = writeln!(
        std::io::stderr(),
        "real rotation: {} tokens, {verifications} verifications ({too_late} too late to count), {} requests without a \
         token, {rotated} rotations ({} asked for), {} kills, {} pauses, {} database stops ({:.1} s at most), {} looks, \
         {} refusals, {} violations, {:.0} s, seed {seed}",
        tokens.len(),
        load.not_minted.load(Ordering::Relaxed),
        chaos.asked.len(),
        chaos.kills,
        chaos.pauses,
        chaos.database_stops,
        chaos.longest_outage.as_secs_f64(),
        watch.looks.load(Ordering::Relaxed),
        refusals.len(),
        violations.len(),
        began.elapsed().as_secs_f64(),
    );
    assert!(
        refusals.is_empty(),
        "{} refusals:\n{}",
        refusals.len(),
        refusals[..refusals.len().min(20)].join("\n")
    );
    assert!(
        violations.is_empty(),
        "{} violations:\n{}",
        violations.len(),
        violations[..violations.len().min(20)].join("\n")
    );
    watch::check_record(database, &tokens).await;
    assert!(i64::try_from(rotated).unwrap() >= rotations);
    assert!(chaos.kills >= 3 && chaos.pauses >= 2 && chaos.database_stops >= 2);
    assert!(tokens.len() > 1_000 && too_late * 20 < verifications, "this machine is too busy for it");
}
