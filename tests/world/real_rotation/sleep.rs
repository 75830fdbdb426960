//! Processes that stop for a while without noticing: a machine that is suspended or migrated, a container
//! that is paused.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use runmint::clock::{Clock, SystemClock};
use serde_json::json;
use sqlx::Connection;
use tokio::task::JoinSet;

use super::fast::{self, DIVISOR};
use super::load::Minted;
use crate::harness::{
    Answer, DEADLINE, Engine, Installation, Service, TestDatabase, eventually, request_path,
};

/// Requests that wait for a paused process.
const WAITING: usize = 20;
/// The longest time for which one process may delay minting and revocation by the others: three seconds, plus
/// what a busy machine needs.
const HELD_UP_AT_MOST: Duration = Duration::from_secs(20);

/// A suspended machine resumes with the time at which it was suspended. As far as this process knows, its
/// lease is still valid.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_suspended_with_its_clock_does_not_sign_with_the_old_key() {
    let database = TestDatabase::create(Engine::Postgres, Path::new("")).await;
    // Only loopback may be this fast.
    let installation = Installation::behind("http://localhost/oidc", database)
        .configure(&fast::settings())
        .variable("RUNMINT_TEST_TIME_SCALE", &DIVISOR.to_string());
    let admin = installation.init(&[]).unwrap();
    let awake = installation.serve();
    let set_back_by = |offset: Duration| {
        // Replaced atomically: it may be read at any moment.
        std::fs::write(installation.path("clock.new"), format!("-{:.3}", offset.as_secs_f64())).unwrap();
        std::fs::rename(installation.path("clock.new"), installation.path("clock")).unwrap();
    };
    set_back_by(Duration::ZERO);
    let clock = installation.path("clock").display().to_string();
    let sleeper = installation.serve_with(&with_a_clock_from(&clock));
    let run = awake.first_run(&admin).await;
    until_warm(&installation).await;
    let old = Minted::parse(sleeper.ask(&run).await.ok()["value"].as_str().unwrap()).kid;
    let minted_with_old = format!("SELECT COUNT(*) FROM id_tokens WHERE kid = '{old}'");

    let stopped = Instant::now();
    sleeper.process.pause();
    let signs_from = rotate(&awake, &admin).await;
    let in_force = signs_from + fast::timing().grace();
    tokio::time::sleep(in_force.duration_since(SystemClock.now()).unsigned_abs()).await;
    let before = installation.database.number(&minted_with_old).await;
    let mut waiting = JoinSet::new();
    for _ in 0..WAITING {
        // Each on a connection of its own: an idle one is closed.
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.get(format!("http://{}{}", sleeper.address, request_path(&run)));
        let request = request.bearer_auth(run["request_token"].as_str().unwrap());
        waiting.spawn(async move { Answer::read(request.send().await.unwrap()).await });
    }
    set_back_by(stopped.elapsed());
    sleeper.process.signal("CONT");

    for answer in waiting.join_all().await {
        if answer.status.is_success() {
            assert_ne!(Minted::parse(answer.ok()["value"].as_str().unwrap()).kid, old);
        } else {
            answer.problem(503, "unavailable");
        }
    }
    assert_eq!(installation.database.number(&minted_with_old).await, before);
    eventually("it notices that its clock is off", async || {
        sleeper.get("", "/readyz").await.text.contains("clock is off by")
    })
    .await;
    set_back_by(Duration::ZERO);
    eventually("it mints again", async || sleeper.ask(&run).await.status.is_success()).await;
    assert_eq!(installation.database.number(&minted_with_old).await, before);
}

/// It holds the lock under which the keys change, and the lock that keeps tokens of a revoked key out of the
/// record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_freezes_during_a_revocation_does_not_block_the_others() {
    let installation = Installation::new(Engine::Postgres).await;
    let admin = installation.init(&[]).unwrap();
    let frozen = Arc::new(installation.serve());
    let awake = installation.serve();
    let run = awake.first_run(&admin).await;
    let kid = Minted::parse(awake.ask(&run).await.ok()["value"].as_str().unwrap()).kid;
    let revoke = format!("/api/keys/{kid}/revoke");
    let body = json!({"compromised": true});

    // A record in progress: the revocation waits for it in the middle of its transaction.
    let mut recording = installation.database.connect().await;
    let mut record = recording.begin().await.unwrap();
    sqlx::query("SELECT 1 AS one FROM signing_keys FOR KEY SHARE").execute(&mut *record).await.unwrap();
    let asked = tokio::spawn({
        let (frozen, admin, revoke, body) =
            (Arc::clone(&frozen), admin.clone(), revoke.clone(), body.clone());
        async move { frozen.post(&admin, &revoke, &body).await }
    });
    let waits = "SELECT COUNT(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE'";
    eventually("it waits", async || installation.database.number(waits).await == 1).await;
    frozen.process.pause();
    record.rollback().await.unwrap();

    let began = Instant::now();
    eventually("another mints", async || awake.ask(&run).await.status.is_success()).await;
    awake.post(&admin, &revoke, &body).await.ok();
    assert!(began.elapsed() < HELD_UP_AT_MOST, "{:?}", began.elapsed());
    frozen.process.signal("CONT");
    asked.await.unwrap().problem(503, "unavailable");
    let revoked = format!("SELECT COUNT(*) FROM signing_keys WHERE kid = '{kid}' AND revoked_at IS NOT NULL");
    assert_eq!(installation.database.number(&revoked).await, 1);
}

/// Vacuuming and deleting old records lock the table for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_does_not_wait_for_maintenance() {
    let installation = Installation::new(Engine::Postgres).await;
    let admin = installation.init(&[]).unwrap();
    let service = installation.serve();
    let run = service.first_run(&admin).await;
    let kid = Minted::parse(service.ask(&run).await.ok()["value"].as_str().unwrap()).kid;
    let mut maintaining = installation.database.connect().await;
    let mut vacuum = maintaining.begin().await.unwrap();
    for sql in
        ["LOCK TABLE id_tokens IN SHARE UPDATE EXCLUSIVE MODE", "DELETE FROM id_tokens WHERE jti < '0'"]
    {
        sqlx::query(sql).execute(&mut *vacuum).await.unwrap();
    }
    eventually("it mints", async || service.ask(&run).await.status.is_success()).await;
    let path = format!("/api/keys/{kid}/revoke");
    service.post(&admin, &path, &json!({"compromised": true})).await.ok();
    service.ask(&run).await.problem(503, "unavailable");
    vacuum.rollback().await.unwrap();
}

/// Debian's faketime, with an offset in a file that is read each time the clock is.
fn with_a_clock_from(file: &str) -> Vec<(String, String)> {
    let variables = [
        ("LD_PRELOAD", "/usr/$LIB/faketime/libfaketimeMT.so.1"),
        ("FAKETIME_TIMESTAMP_FILE", file),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// Waits until the next key has been published long enough to take over.
async fn until_warm(installation: &Installation) {
    let ahead = fast::millis(fast::PUBLISH_AHEAD);
    let warm = format!(
        "SELECT COUNT(*) FROM signing_keys WHERE signs_from IS NULL
            AND published_at + {ahead} <= EXTRACT(EPOCH FROM clock_timestamp()) * 1000"
    );
    eventually("the next key is warm", async || installation.database.number(&warm).await == 1).await;
}

/// Rotates as soon as it is allowed: rotation does not wait for a paused process.
async fn rotate(service: &Service, admin: &str) -> Timestamp {
    let rotated = async {
        loop {
            let answer = service.post(admin, "/api/keys/rotate", &json!({})).await;
            if answer.status.is_success() {
                return answer.json()["signs_from"].as_str().unwrap().parse().unwrap();
            }
        }
    };
    tokio::time::timeout(DEADLINE, rotated).await.expect("it becomes safe")
}
