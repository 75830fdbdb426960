//! Rotation as in production: processes that may die at any moment, a database that goes away, the machine's
//! own clock, and third-party verifiers. These tests wait in real time, because they depend on events outside
//! this process; all other tests of rotation use a clock that they set.

mod agreement;
mod chaos;
pub(crate) mod fast;
mod load;
mod outcome;
mod postgres;
mod proxy;
mod replicas;
mod sleep;
mod watch;

use std::sync::Arc;
use std::time::Instant;

use self::chaos::Chaos;
use self::fast::DIVISOR;
use self::load::Load;
use self::outcome::Outcome;
use self::postgres::Postgres;
use self::replicas::Replicas;
use self::watch::Watch;
use crate::verifiers::start_all;

/// Each requests twelve tokens per second.
const RUNS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_token_verifies_while_keys_rotate_and_processes_die() {
    live_through(3, 20_261_121).await;
}

#[ignore = "takes ten minutes"]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_token_verifies_for_ten_minutes_of_faults() {
    live_through(33, 20_261_122).await;
}

async fn live_through(rotations: i64, seed: u64) {
    let began = Instant::now();
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap();
    let replicas = Replicas::start(&postgres).await;
    let mut runs = replicas.start_runs(RUNS + 1).await;
    let run = runs.pop().unwrap();
    let issuer = replicas.issuer();
    let verifiers = tokio::task::spawn_blocking(move || start_all(&issuer, "acme", DIVISOR)).await.unwrap();
    let load = Load::new(verifiers, replicas.base_url());
    let watch = Watch::new(replicas.installation.database.clone(), &replicas.issuer());

    let watching = tokio::spawn(Arc::clone(&watch).keep_looking());
    let asking = load.start(&runs);
    let mut chaos = Chaos::new(replicas, postgres, Arc::clone(&load), Arc::clone(&watch), run, seed);
    chaos.reign(rotations).await;
    load.stop();
    asking.join_all().await;
    watch.stop();
    watching.await.unwrap();

    let outcome = Outcome::of(&chaos, began.elapsed()).await;
    outcome.print();
    outcome.check(rotations);
    chaos.replicas.agree_on_the_key_set().await;
    let tokens = std::mem::take(&mut *load.tokens.lock().unwrap());
    watch::check_record(&chaos.replicas.installation.database, &tokens).await;
}
