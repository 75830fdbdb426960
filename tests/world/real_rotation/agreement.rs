//! How processes on one database agree, at production speed.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Engine, Installation, Process, Service, eventually};

/// The time within which all processes must know what one was told.
const AT_LATEST: Duration = Duration::from_secs(2);

async fn three() -> (Installation, String, Vec<Service>) {
    let installation = Installation::new(Engine::Postgres).await;
    let admin = installation.init(&[]).unwrap();
    let started: Vec<Process> = (0..3).map(|_| installation.start(&["serve"])).collect();
    let services = started.into_iter().map(Service::of).collect();
    (installation, admin, services)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_publish_the_same_documents_and_share_one_active_key() {
    let (installation, _, services) = three().await;
    let documents = async || {
        let mut all = Vec::new();
        for service in &services {
            let Answer { headers, text, .. } = service.get("", "/oidc/.well-known/jwks").await;
            all.push((headers["etag"].clone(), text));
        }
        all
    };
    eventually("all publish the key that signs and the next", async || {
        let all = documents().await;
        all.iter().all(|one| *one == all[0] && one.1.matches("\"kid\"").count() == 2)
    })
    .await;
    let designated = "SELECT COUNT(*) FROM signing_keys WHERE signs_from IS NOT NULL AND signs_until IS NULL";
    assert_eq!(installation.database.number(designated).await, 1);
    assert_eq!(installation.database.number("SELECT COUNT(*) FROM signing_keys").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_ended_at_one_process_is_refused_by_the_others() {
    let (_installation, admin, services) = three().await;
    let run = services[0].first_run(&admin).await;
    let created = services[0]
        .post(&admin, "/api/orgs/acme/access-tokens", &json!({"name": "ci", "role": "viewer"}))
        .await
        .ok();
    let (viewer, id) = (created["access_token"].as_str().unwrap(), created["id"].as_str().unwrap());
    // Each has cached both.
    for service in &services {
        service.ask(&run).await.ok();
        service.get(viewer, "/api/orgs/acme").await.ok();
    }

    let ended = Instant::now();
    let path = format!("/api/runs/{}/finish", run["id"].as_str().unwrap());
    services[0].post(&admin, &path, &Value::Null).await.ok();
    let path = format!("/api/access-tokens/{id}");
    let revoked = services[0].send(Method::DELETE, &admin, &path, &Value::Null).await;
    assert_eq!(revoked.status, 204);
    for service in &services {
        assert_eq!(service.ask(&run).await.status, 403);
        assert_eq!(service.get(viewer, "/api/orgs/acme").await.status, 401);
    }
    assert!(ended.elapsed() < AT_LATEST, "{:?}", ended.elapsed());
}

/// Ten seconds; five are allowed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_with_a_wrong_clock_mints_nothing() {
    let installation = Installation::new(Engine::Postgres).await;
    let admin = installation.init(&[]).unwrap();
    let right = installation.serve();
    let run = right.first_run(&admin).await;
    for off_by in ["-10s", "+10s"] {
        let wrong = installation.serve_with(&with_its_clock(off_by));
        let answer = wrong.get("", "/readyz").await;
        assert_eq!(answer.status, 503);
        assert!(answer.text.contains("clock is off by"), "{}", answer.text);
        wrong.ask(&run).await.problem(503, "unavailable");
        right.ask(&run).await.ok();
    }
}

/// Debian's faketime. If it is missing, the loader says so on standard error and the clock is right.
fn with_its_clock(off_by: &str) -> Vec<(String, String)> {
    let variables = [
        ("LD_PRELOAD", "/usr/$LIB/faketime/libfaketimeMT.so.1"),
        ("FAKETIME", off_by),
        // Fakes only the time of day, not the speed at which it passes.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}
