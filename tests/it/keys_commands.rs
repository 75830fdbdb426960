//! `runmint keys …` as operators use it: the real program against the real service.

use std::fs;

use jiff::SignedDuration;
use runmint::clock::{Clock, SystemClock};
use runmint::flows::rotate_keys::look_after_keys;
use serde_json::{Value, json};

use crate::harness::{Ended, Engine, Setup, TestApp, run, run_as};

/// The program reads the machine's clock, so the service does too; its keys are a little over a day old.
async fn start() -> TestApp {
    let a_day_ago = SystemClock.now() - SignedDuration::from_hours(25);
    let app = Setup::new(Engine::Sqlite).start(a_day_ago).run().await;
    look_after_keys(app.inner()).await.unwrap();
    app.clock.set(SystemClock.now());
    look_after_keys(app.inner()).await.unwrap();
    app
}

async fn keys(app: &TestApp, arguments: &[&str]) -> Ended {
    run_as(app, &app.admin, &[&["keys"], arguments].concat()).await
}

async fn list(app: &TestApp) -> Vec<Value> {
    keys(app, &["list", "--all", "--output", "json"]).await.json()["keys"].as_array().unwrap().clone()
}

async fn kid_in_state(app: &TestApp, state: &str) -> String {
    let keys = list(app).await;
    let found = keys.iter().find(|key| key["state"] == state);
    found.unwrap_or_else(|| panic!("no {state} key: {keys:?}"))["kid"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_the_timeline_and_rotates() {
    let app = start().await;
    let (active, next) = (kid_in_state(&app, "active").await, kid_in_state(&app, "next").await);
    let shown = keys(&app, &["list"]).await.ok();
    for part in [&active, &next, &app.issuer, &app.inner().serving.replica().name] {
        assert!(shown.contains(part.as_str()), "{part} in {shown}");
    }
    for label in ["signing from", "next takes over", "may sign from", "signatures", "seals with"] {
        assert!(shown.contains(label), "{label} in {shown}");
    }
    let rotated = keys(&app, &["rotate", "--output", "json"]).await.json();
    assert_eq!(rotated["kid"], next.as_str());
    let signs_from = rotated["signs_from"].as_str().unwrap();
    keys(&app, &["rotate"]).await.fails(1, signs_from);
    keys(&app, &["rotate", "--algorithm", "EdDSA"]).await.fails(2, "RS256");
    keys(&app, &["rotate", "--org", "acme"]).await.fails(1, "issuer of its own");
    // A caller without permission learns nothing.
    for token in [&app.owner, &app.orchestrator, &app.viewer] {
        for command in [["keys", "list"], ["keys", "rotate"], ["keys", "reseal"]] {
            let refused = run_as(&app, token, &command).await;
            assert!(refused.code != 0 && !refused.stdout.contains(&next), "{}", refused.stdout);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoking_a_compromised_key_takes_one_command_and_states_its_limits() {
    let app = start().await;
    let (bad, next) = (kid_in_state(&app, "active").await, kid_in_state(&app, "next").await);
    let run = app.start_run(&json!({})).await;
    app.mint(&run, "&audience=sts.amazonaws.com").await;
    keys(&app, &["snapshot-verifier", "add", "vault/uploaded"]).await.ok();
    let without_the_word = keys(&app, &["revoke", &bad]).await;
    assert_eq!((without_the_word.code, kid_in_state(&app, "active").await), (2, bad.clone()));
    let revoked = keys(&app, &["revoke", &bad, "--compromised"]).await;
    assert_eq!(revoked.code, 0, "{}", revoked.stderr);
    for part in
        [&bad, &next, run["id"].as_str().unwrap(), "sts.amazonaws.com", "Unexpired tokens that it signed: 1"]
    {
        assert!(revoked.stdout.contains(part), "{part} in {}", revoked.stdout);
    }
    for part in ["AWS", "Azure", "Google", "Vault", "Kubernetes", "cache"] {
        assert!(revoked.stderr.contains(part), "{part} in {}", revoked.stderr);
    }
    assert!(
        revoked.stdout.contains("Not known to have that key") && revoked.stdout.contains("vault/uploaded")
    );
    // The successor was in every cached key set, so its tokens do not make a verifier fetch.
    assert!(!revoked.stderr.contains("Present a token of the new key"), "{}", revoked.stderr);
    assert!(revoked.stderr.contains("workload-identity-pools update --disabled"), "{}", revoked.stderr);
    assert_eq!(kid_in_state(&app, "revoked").await, bad);
    assert_eq!(kid_in_state(&app, "active").await, next);
    keys(&app, &["revoke", &bad, "--compromised"]).await.fails(1, "revoked");
    keys(&app, &["revoke", "../../orgs/acme", "--compromised"]).await.fails(2, "not a valid key id");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploaded_key_sets_are_exported_and_acknowledged() {
    let app = start().await;
    let added = keys(&app, &["snapshot-verifier", "add", "gcp/pool", "--output", "json"]).await.json();
    assert_eq!(added["name"], "gcp/pool");
    keys(&app, &["rotate"]).await.fails(1, "gcp/pool");
    assert!(keys(&app, &["list"]).await.ok().contains("gcp/pool"), "who has not acknowledged is shown");
    keys(&app, &["export"]).await.fails(2, "--public");
    let exported = keys(&app, &["export", "--public"]).await.json();
    assert_eq!(exported, app.get("", "/oidc/.well-known/jwks").await.ok());
    let folder = tempfile::tempdir().unwrap();
    let jwks = folder.path().join("jwks.json").display().to_string();
    fs::write(&jwks, exported.to_string()).unwrap();
    keys(&app, &["acknowledge", "nobody", "--jwks", &jwks]).await.fails(1, "nobody");
    keys(&app, &["acknowledge", "gcp/pool"]).await.fails(2, "--jwks");
    keys(&app, &["rotate"]).await.fails(1, "gcp/pool");
    for no_key_set in ["{}", r#"{"keys": []}"#, r#"{"keys": [{}]}"#, "kid"] {
        fs::write(folder.path().join("other"), no_key_set).unwrap();
        let other = folder.path().join("other").display().to_string();
        keys(&app, &["acknowledge", "gcp/pool", "--jwks", &other]).await.fails(1, "is not a key set");
    }
    keys(&app, &["acknowledge", "gcp/pool", "--jwks", &jwks]).await.ok();
    keys(&app, &["rotate"]).await.ok();
    assert!(keys(&app, &["snapshot-verifier", "list"]).await.ok().contains("gcp/pool"));
    keys(&app, &["snapshot-verifier", "remove", "gcp/pool"]).await.ok();
    assert!(!keys(&app, &["snapshot-verifier", "list"]).await.ok().contains("gcp/pool"));
}

/// A key created between the upload and its acknowledgement was not uploaded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_uploaded_keys_are_acknowledged() {
    let app = start().await;
    let exported = keys(&app, &["export", "--public"]).await.ok();
    let folder = tempfile::tempdir().unwrap();
    let jwks = folder.path().join("jwks.json").display().to_string();
    fs::write(&jwks, &exported).unwrap();
    keys(&app, &["rotate"]).await.ok();
    look_after_keys(app.inner()).await.unwrap();
    let kids = list(&app).await.into_iter().map(|key| key["kid"].as_str().unwrap().to_owned());
    let made_since: Vec<String> = kids.filter(|kid| !exported.contains(kid.as_str())).collect();
    assert_eq!(made_since.len(), 1);
    keys(&app, &["snapshot-verifier", "add", "gcp/pool"]).await.ok();
    keys(&app, &["acknowledge", "gcp/pool", "--jwks", &jwks]).await.ok();
    let listed = keys(&app, &["list", "--output", "json"]).await.json();
    let waiting = listed["keys"].as_array().unwrap().iter().find(|key| key["kid"] == made_since[0].as_str());
    assert!(waiting.unwrap()["not_acknowledged"].to_string().contains("gcp/pool"), "{listed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_can_be_published_once_by_command() {
    let app = start().await;
    let own = ["org", "create", "globex", "--own-issuer", "--algorithm", "ES256", "--output", "json"];
    let made = run_as(&app, &app.admin, &own).await.json();
    assert_eq!(made["issuer"], format!("{}/orgs/globex/oidc", app.base_url));
    assert_eq!(made["algorithm"], "ES256");
    let folder = tempfile::tempdir().unwrap();
    let target = format!("file://{}", folder.path().display());
    let publish = ["publish", "--to", &target, "--output", "json"];
    for outcome in ["written", "unchanged"] {
        let published = keys(&app, &publish).await.json();
        let objects = published["objects"].as_array().unwrap().clone();
        assert_eq!(objects.len(), 4);
        assert!(objects.iter().all(|object| object["outcome"] == outcome), "{published}");
        for object in &objects {
            let path = object["path"].as_str().unwrap();
            let served = app.get("", &format!("/{path}")).await;
            assert_eq!(served.status, 200);
            assert_eq!(fs::read_to_string(folder.path().join(path)).unwrap(), served.text, "{path}");
        }
    }
    let exported = keys(&app, &["export", "--public", "--org", "globex"]).await.json();
    assert_eq!(exported, app.get("", "/orgs/globex/oidc/.well-known/jwks").await.ok());
    keys(&app, &["publish", "--to", "ftp://example.com"]).await.fails(2, "unknown scheme");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resealing_takes_one_command() {
    let app = start().await;
    let resealed = keys(&app, &["reseal"]).await.ok();
    assert!(resealed.contains("already"), "{resealed}");
    // No part of a private key is ever shown.
    let shown = keys(&app, &["list", "--all", "--output", "json"]).await.ok();
    assert!(!shown.contains("private_key\""), "{shown}");
    let nobody = run(Vec::new(), &["keys", "list"], "").await;
    assert_ne!(nobody.code, 0);
}
