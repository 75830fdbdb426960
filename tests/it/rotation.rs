//! Key rotation: automatic, on request, and by revocation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use insta::assert_snapshot;
use jiff::SignedDuration;
use jsonwebtoken::jwk::JwkSet;
use runmint::app::App;
use runmint::clock::Clock;
use runmint::domain::signing_key::Revocation;
use runmint::flows::load_keys::load_keys;
use runmint::flows::refresh_keys::{keys_to_sign_with, refresh};
use runmint::flows::reseal_keys::reseal_keys;
use runmint::flows::rotate_keys::look_after_keys;
use runmint::store::Store;
use runmint::store::time::Weather;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{ManualClock, SharedKeys, TestApp, on_both_engines, sealing_key_text, verify};

on_both_engines![
    a_key_takes_over_when_it_is_due_and_every_token_stays_valid,
    a_requested_rotation_is_refused_until_it_is_safe,
    promotion_waits_for_every_live_process,
    a_process_with_an_expired_lease_neither_blocks_rotation_nor_signs,
    a_process_with_a_wrong_clock_neither_signs_nor_is_ready,
    a_revoked_key_leaves_the_key_set_at_once_and_its_tokens_are_listed,
    minting_stops_rather_than_sign_with_a_cold_key,
    revoking_the_next_key_and_then_the_active_one_leaves_a_key_that_signs,
    a_sleeping_process_cannot_sign_with_a_replaced_key,
    a_process_that_sleeps_after_the_record_sends_no_token_of_a_revoked_key,
    revoking_a_key_that_was_about_to_sign_leaves_the_old_one_in_service,
    rotation_waits_for_verifiers_with_uploaded_key_sets,
    an_overdue_rotation_raises_an_alarm,
    tokens_stay_valid_when_settings_are_shortened,
    a_stopped_scheduler_raises_an_alarm,
    the_key_set_is_served_stale_for_a_limited_time,
    processes_that_rotate_concurrently_make_one_key,
    an_organization_may_have_an_issuer_of_its_own,
    a_deleted_organizations_issuer_retires_after_its_last_token,
    an_audience_may_use_es256,
    an_organization_of_the_shared_issuer_may_choose_es256,
    resealing_moves_every_key_and_can_be_interrupted_anywhere,
    the_use_of_keys_is_recorded,
];

const DAY: SignedDuration = SignedDuration::from_hours(24);
const ALMOST: SignedDuration = SignedDuration::from_secs(1);

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

/// Lets time pass as in a running service: it looks before the lease expires, and again afterwards.
async fn live(app: &TestApp, time: SignedDuration) {
    look_after_keys(app.inner()).await.unwrap();
    app.clock.advance(time);
    look_after_keys(app.inner()).await.unwrap();
}

async fn keys(app: &TestApp) -> Value {
    app.get(&app.admin, "/api/keys?all=true").await.ok()["keys"].clone()
}

async fn kid_in_state(app: &TestApp, state: &str) -> String {
    let keys = keys(app).await;
    let mut found = keys.as_array().unwrap().iter().filter(|key| key["state"] == state);
    let one =
        found.next().unwrap_or_else(|| panic!("no {state} key: {keys}"))["kid"].as_str().unwrap().to_owned();
    assert!(found.next().is_none(), "{keys}");
    one
}

async fn states(app: &TestApp) -> Vec<String> {
    let keys = keys(app).await;
    keys.as_array().unwrap().iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect()
}

async fn jwks(app: &TestApp) -> JwkSet {
    serde_json::from_value(app.get("", "/oidc/.well-known/jwks").await.ok()).unwrap()
}

fn kids(set: &JwkSet) -> Vec<String> {
    set.keys.iter().filter_map(|key| key.common.key_id.clone()).collect()
}

fn kid_of(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

fn verifies(app: &TestApp, token: &str, set: &JwkSet) -> bool {
    verify(token, set, &app.issuer, app.clock.now()).is_ok()
}

async fn mint(app: &TestApp) -> String {
    let run = app.start_run(&json!({})).await;
    app.mint(&run, "").await
}

async fn rotate(app: &TestApp) -> crate::harness::Answer {
    app.post(&app.admin, "/api/keys/rotate", &json!({})).await
}

/// Another process on the same database, with its own clock; its keys come after the first one's.
async fn another_process(app: &TestApp, clock: Arc<ManualClock>) -> App {
    let settings = app.settings();
    let store = Store::open(settings.exposed_database_url(), 2).await.unwrap().with_clock(app.clock.clone());
    let stores = SharedKeys::stores_from(&sealing_key_text(), &[], 6);
    App::new(&settings, store, stores, Vec::new(), clock, app.entropy.clone())
}

fn same_clock(app: &TestApp) -> Arc<ManualClock> {
    app.clock.clone()
}

async fn a_key_takes_over_when_it_is_due_and_every_token_stays_valid(app: TestApp) {
    let (first, second) = (kid_in_state(&app, "active").await, kid_in_state(&app, "next").await);
    let cached = jwks(&app).await;
    live(&app, DAY * 30 - seconds(26)).await;
    assert_eq!(states(&app).await, ["active", "next"], "not a moment before it is due");
    live(&app, seconds(1)).await;
    // The change is scheduled: until then the old key signs, and a new next key already exists.
    let last = mint(&app).await;
    assert_eq!(kid_of(&last), first);
    assert_eq!(states(&app).await, ["active", "next", "next"]);
    live(&app, seconds(25)).await;
    let new = mint(&app).await;
    assert_eq!(kid_of(&new), second);
    assert!(verifies(&app, &new, &cached), "a verifier that has not asked for a month knows the key");
    assert_eq!(states(&app).await, ["previous", "active", "next"]);
    for token in [&last, &new] {
        assert!(verifies(&app, token, &jwks(&app).await));
    }
    // Its private half is destroyed at once, its public half once no verifier needs it.
    live(&app, seconds(10)).await;
    assert_eq!(app.database.number("SELECT COUNT(*) FROM signing_keys WHERE private_key IS NULL").await, 1);
    live(&app, DAY - seconds(10) - ALMOST).await;
    assert_eq!(kids(&jwks(&app).await).len(), 3);
    live(&app, ALMOST).await;
    assert_eq!(states(&app).await, ["removed", "active", "next"]);
    assert!(!kids(&jwks(&app).await).contains(&first));
    assert_eq!(app.database.number("SELECT COUNT(*) FROM signing_keys").await, 3, "the record keeps it");
}

async fn a_requested_rotation_is_refused_until_it_is_safe(app: TestApp) {
    let next = kid_in_state(&app, "next").await;
    let detail = rotate(&app).await.problem(409, "conflict");
    assert_snapshot!(detail, @"It is not safe yet: verifiers may not have the next key in their caches until 2026-01-03T03:04:05Z.");
    live(&app, DAY - ALMOST).await;
    rotate(&app).await.problem(409, "conflict");
    live(&app, ALMOST).await;
    let rotated = rotate(&app).await.ok();
    assert_eq!(rotated["kid"], next);
    assert_eq!(rotated["signs_from"], "2026-01-03T03:04:30Z");
    let detail = rotate(&app).await.problem(409, "conflict");
    assert_snapshot!(detail, @"It is not safe yet: a rotation is already scheduled and takes effect at 2026-01-03T03:04:30Z.");
    live(&app, seconds(25)).await;
    assert_eq!(kid_of(&mint(&app).await), next);
    // Three keys are published: even a warm key must wait until the first has left.
    app.database.execute("UPDATE signing_keys SET published_at = 1 WHERE signs_from IS NULL").await;
    let detail = rotate(&app).await.problem(409, "conflict");
    assert_snapshot!(detail, @"It is not safe yet: the previous key stays published until 2026-01-04T03:04:30Z, for the last tokens that it signed.");
    for body in [json!({"algorithm": "none"}), json!({"organization": "acme"}), json!({"x": 1})] {
        assert!(app.post(&app.admin, "/api/keys/rotate", &body).await.status.is_client_error(), "{body}");
    }
    app.post(&app.admin, "/api/keys/rotate", &json!({"algorithm": "ES256"})).await.problem(404, "not-found");
}

async fn promotion_waits_for_every_live_process(app: TestApp) {
    live(&app, DAY).await;
    let other = another_process(&app, same_clock(&app)).await;
    refresh(&other).await.unwrap();
    let detail = rotate(&app).await.problem(409, "conflict");
    assert!(detail.contains(&other.serving.replica().name), "{detail}");
    let waiting = keys(&app).await;
    let next = waiting.as_array().unwrap().iter().find(|key| key["state"] == "next").unwrap();
    assert_eq!(next["not_acknowledged"], json!([other.serving.replica().name]));
    // Both look often enough to keep their leases, as in production.
    let five_minutes = async |app: &TestApp, until: i64| {
        for _ in 0..until {
            app.clock.advance(seconds(15));
            refresh(app.inner()).await.unwrap();
            refresh(&other).await.unwrap();
        }
    };
    five_minutes(&app, 19).await;
    rotate(&app).await.problem(409, "conflict");
    five_minutes(&app, 1).await;
    rotate(&app).await.ok();
}

async fn a_process_with_an_expired_lease_neither_blocks_rotation_nor_signs(app: TestApp) {
    live(&app, DAY).await;
    let other = another_process(&app, same_clock(&app)).await;
    refresh(&other).await.unwrap();
    rotate(&app).await.problem(409, "conflict");
    app.clock.advance(seconds(20));
    rotate(&app).await.ok();
    // Without the database it must not sign, whatever it remembers.
    other.store.close().await;
    assert!(keys_to_sign_with(&other).await.is_err());
    assert!(keys_to_sign_with(app.inner()).await.is_ok());
}

async fn a_process_with_a_wrong_clock_neither_signs_nor_is_ready(app: TestApp) {
    // Long enough for the first key to sign by a slow clock, too.
    live(&app, seconds(10)).await;
    let clock = Arc::new(ManualClock::at(app.clock.now()));
    let other = another_process(&app, clock.clone()).await;
    for (offset, allowed) in
        [(0, true), (5, true), (-5, true), (6, false), (-6, false), (3_600, false), (0, true)]
    {
        clock.set(app.clock.now() + seconds(offset));
        let outcome = refresh(&other).await;
        assert_eq!(outcome.is_ok(), allowed, "{offset}");
        assert_eq!(keys_to_sign_with(&other).await.is_ok(), allowed, "{offset}");
        let readiness = runmint::flows::readiness::readiness(&other).await;
        assert_eq!(readiness.is_ready(), allowed, "{offset}");
        // It keeps serving the keys, which are correct.
        assert!(other.serving.standing().may_serve(&other.rotation, clock.now()));
    }
    // Setting a clock back does not extend a lease.
    clock.set(app.clock.now() - seconds(3_600));
    assert!(keys_to_sign_with(&other).await.is_err());
}

async fn a_revoked_key_leaves_the_key_set_at_once_and_its_tokens_are_listed(app: TestApp) {
    live(&app, DAY).await;
    let (bad, next) = (kid_in_state(&app, "active").await, kid_in_state(&app, "next").await);
    let run = app.start_run(&json!({})).await;
    let old = app.mint(&run, "&audience=sts.amazonaws.com&lifetime_seconds=60").await;
    app.clock.advance(seconds(61));
    let stolen = app.mint(&run, "&audience=sts.amazonaws.com").await;
    assert_eq!(kid_of(&old), bad);
    let path = format!("/api/keys/{bad}/revoke");
    app.post(&app.admin, &path, &json!({"compromised": false})).await.problem(422, "invalid-input");
    app.post(&app.admin, &path, &json!({})).await.problem(422, "invalid-input");
    let revoked = app.post(&app.admin, &path, &json!({"compromised": true})).await.ok();
    let now = app.clock.now().to_string();
    assert_eq!(
        revoked,
        json!({
            "kid": bad,
            "revoked_at": now,
            "successor": {"kid": next, "signs_from": now, "not_acknowledged": []},
            "unexpired_tokens": {"count": 1, "url": format!("{}/api/keys/{bad}/id-tokens", app.base_url)},
            "copies_with_the_key": [],
        })
    );
    let listed = app.get(&app.admin, revoked["unexpired_tokens"]["url"].as_str().unwrap()).await.ok();
    let [token] = listed["id_tokens"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!((&token["run_id"], &token["audience"]), (&run["id"], &json!("sts.amazonaws.com")));
    assert_eq!(token["organization"], "acme");
    let set = jwks(&app).await;
    assert!(!kids(&set).contains(&bad) && !verifies(&app, &stolen, &set));
    assert_eq!(kid_of(&mint(&app).await), next, "its successor signs at once");
    assert_eq!(states(&app).await, ["revoked", "active", "next"], "and there is a new one to go to");
    live(&app, seconds(5)).await;
    let private =
        format!("SELECT COUNT(*) FROM signing_keys WHERE kid = '{bad}' AND private_key IS NOT NULL");
    assert_eq!(app.database.number(&private).await, 0);
    app.post(&app.admin, &path, &json!({"compromised": true})).await.problem(409, "conflict");
    let unknown = json!({"compromised": true});
    app.post(&app.admin, "/api/keys/nonsense/revoke", &unknown).await.problem(404, "not-found");
}

async fn minting_stops_rather_than_sign_with_a_cold_key(app: TestApp) {
    let (bad, next) = (kid_in_state(&app, "active").await, kid_in_state(&app, "next").await);
    let revoked =
        app.post(&app.admin, &format!("/api/keys/{bad}/revoke"), &json!({"compromised": true})).await.ok();
    let this = &app.inner().serving.replica().name;
    assert_eq!(
        revoked["successor"],
        json!({"kid": next, "signs_from": "2026-01-03T03:04:05Z", "not_acknowledged": [this]})
    );
    let run = app.start_run(&json!({"ttl_seconds": 86_400})).await;
    app.ask(&run, "").await.problem(503, "unavailable");
    look_after_keys(app.inner()).await.unwrap();
    let ready = app.get("", "/readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(
        ready.json()["checks"]["rotation"],
        "RS256: no key can sign until 2026-01-03T03:04:05Z (see `runmint keys list` and the log)"
    );
    live(&app, DAY - ALMOST).await;
    app.ask(&run, "").await.problem(503, "unavailable");
    live(&app, ALMOST).await;
    let run = app.start_run(&json!({})).await;
    assert_eq!(kid_of(&app.mint(&run, "").await), next);
}

async fn revoking_the_next_key_and_then_the_active_one_leaves_a_key_that_signs(app: TestApp) {
    live(&app, DAY).await;
    let (active, next) = (kid_in_state(&app, "active").await, kid_in_state(&app, "next").await);
    let (store, policy) = (&app.inner().store, app.inner().rotation);
    let by = app.database.text("SELECT MIN(id) FROM access_tokens").await.parse().unwrap();
    for kid in [next, active] {
        // Without a fresh next key: the module that makes keys is down.
        let revoked = store.revoke_key(kid, policy, by, None).await.unwrap();
        assert!(matches!(revoked, Revocation::Revoked { successor: None, .. }), "{revoked:?}");
    }
    live(&app, seconds(1)).await;
    let fresh = kid_in_state(&app, "next").await;
    assert_eq!(kids(&jwks(&app).await), std::slice::from_ref(&fresh));
    let discovery = app.get("", "/oidc/.well-known/openid-configuration").await.ok();
    assert_eq!(discovery["id_token_signing_alg_values_supported"], json!(["RS256"]), "it may not be empty");
    live(&app, DAY).await;
    live(&app, seconds(30)).await;
    assert_eq!(kid_of(&mint(&app).await), fresh);
}

/// It missed what happened while it slept and resumes in the middle of a request. Only the database's own
/// check of the key, in the statement that records the token, can stop it.
async fn a_sleeping_process_cannot_sign_with_a_replaced_key(app: TestApp) {
    live(&app, DAY).await;
    let other = another_process(&app, same_clock(&app)).await;
    refresh(&other).await.unwrap();
    let stale = other.serving.served();
    let lease = other.serving.standing().clone();
    let bad = kid_in_state(&app, "active").await;
    let revoked =
        app.post(&app.admin, &format!("/api/keys/{bad}/revoke"), &json!({"compromised": true})).await.ok();
    let successor = revoked["successor"]["kid"].as_str().unwrap();
    let run = app.start_run(&json!({})).await;
    let id = run["id"].as_str().unwrap();
    let token = run["request_token"].as_str().unwrap();
    let run = runmint::flows::mint_id_token::authenticate_run(&other, id, token).await.unwrap();
    // As if the lease were valid and nothing had been read.
    other.serving.serve(stale);
    other.serving.set_standing(lease);
    let request = runmint::flows::mint_id_token::MintRequest {
        audience: None,
        lifetime_seconds: None,
        caller: "127.0.0.1".into(),
    };
    let minted = runmint::flows::mint_id_token::mint_id_token(&other, &run, request).await.unwrap();
    assert_eq!(kid_of(&minted), successor, "it was made to look again");
    let of_bad = format!("SELECT COUNT(*) FROM id_tokens WHERE kid = '{bad}'");
    assert_eq!(app.database.number(&of_bad).await, 0);
}

/// The record is committed. Before signing, the process pauses for longer than its lease while another one
/// revokes the key.
async fn a_process_that_sleeps_after_the_record_sends_no_token_of_a_revoked_key(app: TestApp) {
    live(&app, DAY).await;
    let (bad, next) = (kid_in_state(&app, "active").await, kid_in_state(&app, "next").await);
    let by = app.database.text("SELECT MIN(id) FROM access_tokens").await.parse().unwrap();
    let sleep = Arc::new(SleepsOnce {
        after: AtomicU32::new(u32::MAX),
        clock: app.clock.clone(),
        awake: app.inner().clone(),
        kid: bad.clone(),
        by,
    });
    let settings = app.settings();
    let store = Store::open(settings.exposed_database_url(), 2).await.unwrap();
    let store = store.with_clock(app.clock.clone()).with_weather(sleep.clone());
    let stores = SharedKeys::stores_from(&sealing_key_text(), &[], 6);
    let other = App::new(&settings, store, stores, Vec::new(), app.clock.clone(), app.entropy.clone());
    refresh(&other).await.unwrap();
    let run = app.start_run(&json!({})).await;
    let (id, token) = (run["id"].as_str().unwrap(), run["request_token"].as_str().unwrap());
    let run = runmint::flows::mint_id_token::authenticate_run(&other, id, token).await.unwrap();
    let request = runmint::flows::mint_id_token::MintRequest {
        audience: None,
        lifetime_seconds: None,
        caller: "127.0.0.1".into(),
    };
    // One access before the record's commit, one after it.
    sleep.after.store(1, Ordering::SeqCst);
    let minted = runmint::flows::mint_id_token::mint_id_token(&other, &run, request).await.unwrap();
    assert_eq!(sleep.after.load(Ordering::SeqCst), u32::MAX, "it slept");
    assert_eq!(kid_of(&minted), next);
    let of_bad = format!("SELECT COUNT(*) FROM id_tokens WHERE kid = '{bad}'");
    assert_eq!(app.database.number(&of_bad).await, 1, "recorded, so that it would be found");
}

struct SleepsOnce {
    after: AtomicU32,
    clock: Arc<ManualClock>,
    awake: Arc<App>,
    kid: String,
    by: Uuid,
}

impl Weather for SleepsOnce {
    fn passes(&self) -> bool {
        match self.after.load(Ordering::SeqCst) {
            u32::MAX => {}
            0 => {
                self.after.store(u32::MAX, Ordering::SeqCst);
                let meanwhile = async {
                    self.clock.advance(seconds(21));
                    refresh(&self.awake).await.unwrap();
                    let (store, policy) = (&self.awake.store, self.awake.rotation);
                    store.revoke_key(self.kid.clone(), policy, self.by, None).await.unwrap();
                };
                tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(meanwhile));
            }
            left => self.after.store(left - 1, Ordering::SeqCst),
        }
        true
    }
}

async fn revoking_a_key_that_was_about_to_sign_leaves_the_old_one_in_service(app: TestApp) {
    live(&app, DAY).await;
    let (active, next) = (kid_in_state(&app, "active").await, kid_in_state(&app, "next").await);
    rotate(&app).await.ok();
    let revoked =
        app.post(&app.admin, &format!("/api/keys/{next}/revoke"), &json!({"compromised": true})).await.ok();
    assert_eq!(revoked["successor"], Value::Null);
    live(&app, seconds(30)).await;
    assert_eq!(kid_of(&mint(&app).await), active);
    assert_eq!(states(&app).await, ["active", "revoked", "next"]);
}

async fn rotation_waits_for_verifiers_with_uploaded_key_sets(app: TestApp) {
    let made = app.post(&app.admin, "/api/snapshot-verifiers", &json!({"name": "gcp/pool"})).await;
    assert_eq!(made.status, 201);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    app.post(&app.admin, "/api/snapshot-verifiers", &json!({"name": "gcp/pool"}))
        .await
        .problem(409, "conflict");
    for name in ["", "a b", "a\n", &"x".repeat(101)] {
        app.post(&app.admin, "/api/snapshot-verifiers", &json!({"name": name}))
            .await
            .problem(422, "invalid-input");
    }
    // A reminder appears a week ahead; it is not an alarm.
    live(&app, DAY * 23 - ALMOST).await;
    let reminders = async || app.get(&app.admin, "/api/keys").await.ok()["reminders"].clone();
    assert_eq!(reminders().await, json!([]));
    live(&app, ALMOST).await;
    let next = kid_in_state(&app, "next").await;
    let told = reminders().await[0]["what"].as_str().unwrap().to_owned();
    assert!(["gcp/pool", &next, "2026-02-01T03:04:05Z"].iter().all(|part| told.contains(part)), "{told}");
    assert_eq!(app.get("", "/readyz").await.ok()["checks"]["rotation"], "ok");
    let metrics = app.get("", "/metrics").await.text;
    assert!(metrics.contains("runmint_rotation_reminders 1"), "{metrics}");
    live(&app, DAY * 7).await;
    let due = app.clock.now();
    live(&app, seconds(61)).await;
    assert_eq!(reminders().await, json!([]), "it is an alarm by now");
    let detail = rotate(&app).await.problem(409, "conflict");
    assert_snapshot!(detail, @"It is not safe yet: these verifiers hold an uploaded key set that has not been acknowledged to contain the next key: gcp/pool; upload the new key set there (`runmint keys export --public`), then run `runmint keys acknowledge --jwks`.");
    let ready = app.get("", "/readyz").await;
    assert_eq!(ready.status, 200, "it still mints");
    let told = ready.json()["checks"]["rotation"].as_str().unwrap().to_owned();
    assert!(told.contains(&due.to_string()) && !told.contains("gcp/pool"), "{told}");
    let alarms = app.get(&app.admin, "/api/keys").await.ok()["alarms"].to_string();
    assert!(alarms.contains(&due.to_string()) && alarms.contains("gcp/pool"), "{alarms}");
    let path = format!("/api/snapshot-verifiers/{id}/acknowledge");
    app.post(&app.admin, &path, &json!({"kids": ["nonsense"]})).await.problem(422, "invalid-input");
    let active = kid_in_state(&app, "active").await;
    app.post(&app.admin, &path, &json!({"kids": [active]})).await.ok();
    rotate(&app).await.problem(409, "conflict");
    // The set published now may differ from the one uploaded, so the caller must name the keys.
    app.post(&app.admin, &path, &json!({})).await.problem(422, "invalid-input");
    app.post(&app.admin, &path, &json!({"kids": []})).await.problem(422, "invalid-input");
    rotate(&app).await.problem(409, "conflict");
    let next = kid_in_state(&app, "next").await;
    let acknowledged = app.post(&app.admin, &path, &json!({"kids": [next]})).await.ok();
    assert_eq!(acknowledged["has"].as_array().unwrap().len(), 2);
    live(&app, seconds(1)).await;
    assert_eq!(states(&app).await, ["active", "next", "next"], "decided at the next look");
    let other = format!("/api/snapshot-verifiers/{id}");
    assert_eq!(app.delete(&app.admin, &other).await.status, 204);
    app.delete(&app.admin, &other).await.problem(404, "not-found");
    assert_eq!(app.get(&app.admin, "/api/snapshot-verifiers").await.ok(), json!({"snapshot_verifiers": []}));
}

async fn an_overdue_rotation_raises_an_alarm(app: TestApp) {
    // A process that no longer responds but holds a lease, for example because of a wrong clock.
    app.database
        .execute(
            "INSERT INTO replicas (id, name, version, sealing_keys, started_at, seen_at, lease_until)
             VALUES ('019b8000-0000-7000-8000-000000000000', 'lost/1/dead', '0', '', 0, 0, 9000000000000)",
        )
        .await;
    live(&app, DAY * 30).await;
    assert_eq!(app.get("", "/readyz").await.ok()["checks"]["rotation"], "ok");
    let metrics = app.get("", "/metrics").await;
    assert!(metrics.text.contains("runmint_rotation_alarms 0"), "{}", metrics.text);
    live(&app, seconds(60)).await;
    let ready = app.get("", "/readyz").await.ok();
    let told = ready["checks"]["rotation"].as_str().unwrap();
    assert!(told.contains("overdue") && !told.contains("lost/1/dead"), "{told}");
    assert!(app.get("", "/metrics").await.text.contains("runmint_rotation_alarms 1"));
    let alarms = app.get(&app.admin, "/api/keys").await.ok()["alarms"].clone();
    assert_eq!(alarms.as_array().unwrap().len(), 1, "{alarms}");
    assert!(alarms[0]["what"].as_str().unwrap().contains("lost/1/dead"), "{alarms}");
    app.database.execute("DELETE FROM replicas WHERE name = 'lost/1/dead'").await;
    live(&app, seconds(5)).await;
    live(&app, seconds(30)).await;
    assert_eq!(app.get("", "/readyz").await.ok()["checks"]["rotation"], "ok");
}

async fn tokens_stay_valid_when_settings_are_shortened(app: TestApp) {
    live(&app, DAY).await;
    let old = mint(&app).await;
    rotate(&app).await.ok();
    live(&app, seconds(30)).await;
    // The next start uses 75 minutes instead of a day.
    let settings = app.settings_with("keep_published = '75m'");
    let store = Store::open(settings.exposed_database_url(), 2).await.unwrap().with_clock(app.clock.clone());
    let stores = SharedKeys::stores_from(&sealing_key_text(), &[], 6);
    let other = App::new(&settings, store, stores, Vec::new(), app.clock.clone(), app.entropy.clone());
    app.clock.advance(SignedDuration::from_hours(2));
    look_after_keys(&other).await.unwrap();
    assert!(kids(&jwks(&app).await).contains(&kid_of(&old)), "by the settings that it signed under");
    app.clock.advance(DAY);
    look_after_keys(&other).await.unwrap();
    assert!(!kids(&jwks(&app).await).contains(&kid_of(&old)));
}

async fn a_stopped_scheduler_raises_an_alarm(app: TestApp) {
    live(&app, DAY).await;
    // As `serve` records it after each look.
    app.inner().serving.note_looked_after(app.clock.now());
    app.clock.advance(seconds(60) - ALMOST);
    assert_eq!(app.get("", "/readyz").await.ok()["checks"]["rotation"], "ok");
    app.clock.advance(ALMOST);
    let told = app.get("", "/readyz").await.ok()["checks"]["rotation"].to_string();
    assert!(told.contains("last completed a key check at 2026-01-03T03:04:05Z"), "{told}");
    assert!(app.get("", "/metrics").await.text.contains("runmint_rotation_alarms 1"));
}

async fn the_key_set_is_served_stale_for_a_limited_time(app: TestApp) {
    look_after_keys(app.inner()).await.unwrap();
    let before = jwks(&app).await;
    app.inner().store.close().await;
    app.clock.advance(SignedDuration::from_hours(12));
    assert_eq!(jwks(&app).await, before);
    let ready = app.get("", "/readyz").await;
    assert_eq!((ready.status.as_u16(), &ready.json()["jwks_age_seconds"]), (503, &json!(43_200)));
    assert!(app.get("", "/metrics").await.text.contains("runmint_jwks_age_seconds 43200"));
    app.clock.advance(ALMOST);
    for path in ["/oidc/.well-known/jwks", "/oidc/.well-known/openid-configuration"] {
        app.get("", path).await.problem(503, "unavailable");
    }
}

async fn processes_that_rotate_concurrently_make_one_key(app: TestApp) {
    let others = [
        Arc::new(another_process(&app, same_clock(&app)).await),
        Arc::new(another_process(&app, same_clock(&app)).await),
    ];
    live(&app, DAY * 30 - seconds(400)).await;
    let all = |app: &TestApp| [app.inner().clone(), others[0].clone(), others[1].clone()];
    for _ in 0..40 {
        app.clock.advance(seconds(15));
        let looks = all(&app).map(|one| tokio::spawn(async move { look_after_keys(&one).await }));
        for look in looks {
            look.await.unwrap().unwrap();
        }
    }
    assert_eq!(states(&app).await, ["previous", "active", "next"]);
    let sets: Vec<Vec<u8>> = all(&app)
        .iter()
        .map(|one| {
            let served = one.serving.peek();
            served.publication_of(runmint::signing::keyring::IssuerId::Shared).unwrap().jwks.body.clone()
        })
        .collect();
    assert!(sets[0] == sets[1] && sets[1] == sets[2], "every process serves the same bytes");
}

async fn an_organization_may_have_an_issuer_of_its_own(app: TestApp) {
    let body = json!({"name": "globex", "issuer": "own", "algorithm": "ES256"});
    let made = app.post(&app.admin, "/api/orgs", &body).await.ok();
    let issuer = format!("{}/orgs/globex/oidc", app.base_url);
    assert_eq!((&made["issuer"], &made["algorithm"]), (&json!(issuer), &json!("ES256")));
    let discovery = app.get("", &format!("{issuer}/.well-known/openid-configuration")).await;
    assert_eq!(discovery.header("cache-control"), "public, max-age=300");
    let discovery = discovery.ok();
    assert_eq!(discovery["issuer"], issuer);
    assert_eq!(discovery["jwks_uri"], format!("{issuer}/.well-known/jwks"));
    assert_eq!(discovery["id_token_signing_alg_values_supported"], json!(["RS256", "ES256"]));
    let start = json!({
        "service": "deploy",
        "attributes": {"project": "website", "stack": "staging", "operation": "update"},
    });
    let run = app.post_ok(&app.admin, "/api/orgs/globex/runs", &start).await;
    let own: JwkSet =
        serde_json::from_value(app.get("", &format!("{issuer}/.well-known/jwks")).await.ok()).unwrap();
    let shared = jwks(&app).await;
    for (query, algorithm) in [
        ("", jsonwebtoken::Algorithm::ES256),
        ("&audience=api://AzureADTokenExchange", jsonwebtoken::Algorithm::RS256),
        ("&audience=api://AzureADTokenExchangeUSGov", jsonwebtoken::Algorithm::RS256),
        ("&audience=api://AzureADTokenExchangeChina", jsonwebtoken::Algorithm::RS256),
    ] {
        let token = app.mint(&run, query).await;
        assert_eq!(jsonwebtoken::decode_header(&token).unwrap().alg, algorithm);
        verify(&token, &own, &issuer, app.clock.now()).unwrap();
        // Never the shared key, not even under its own name.
        assert!(!kids(&shared).contains(&kid_of(&token)));
        assert!(verify(&token, &own, &app.issuer, app.clock.now()).is_err());
    }
    // Without its own keys no token is minted; no other key takes their place.
    app.database.execute("UPDATE signing_keys SET revoked_at = 1 WHERE issuer <> 'shared'").await;
    app.database.execute("UPDATE key_revision SET revision = revision + 1").await;
    let _ = refresh(app.inner()).await;
    app.ask(&run, "").await.problem(503, "unavailable");
    app.get("", &format!("{issuer}/.well-known/jwks")).await.problem(404, "not-found");
    assert_eq!(kids(&jwks(&app).await), kids(&shared), "the shared issuer's set is what it was");
    for body in [json!({"name": "x", "issuer": "other"}), json!({"name": "x", "algorithm": "EdDSA"})] {
        app.post(&app.admin, "/api/orgs", &body).await.problem(422, "invalid-input");
    }
    app.get("", &format!("{}/orgs/acme/oidc/.well-known/jwks", app.base_url)).await.problem(404, "not-found");
}

async fn a_deleted_organizations_issuer_retires_after_its_last_token(app: TestApp) {
    app.post(&app.admin, "/api/orgs", &json!({"name": "globex", "issuer": "own"})).await.ok();
    look_after_keys(app.inner()).await.unwrap();
    let path = format!("{}/orgs/globex/oidc/.well-known/jwks", app.base_url);
    assert_eq!(app.get("", &path).await.ok()["keys"].as_array().unwrap().len(), 2);
    assert_eq!(app.delete(&app.admin, "/api/orgs/globex").await.status, 204);
    look_after_keys(app.inner()).await.unwrap();
    assert_eq!(
        app.get("", &path).await.ok()["keys"].as_array().unwrap().len(),
        1,
        "for the tokens it signed"
    );
    let discovery = app.get("", &path.replace("jwks", "openid-configuration")).await.ok();
    assert_eq!(discovery["id_token_signing_alg_values_supported"], json!(["RS256"]), "it may not be empty");
    live(&app, DAY).await;
    app.get("", &path).await.problem(404, "not-found");
    let left = "SELECT COUNT(*) FROM signing_keys WHERE issuer <> 'shared' AND private_key IS NOT NULL";
    assert_eq!(app.database.number(left).await, 0);
}

async fn an_audience_may_use_es256(app: TestApp) {
    let config = "[algorithms]\n'sts.amazonaws.com' = 'ES256'";
    let settings = app.settings_with(config);
    let store = Store::open(settings.exposed_database_url(), 2).await.unwrap().with_clock(app.clock.clone());
    let stores = SharedKeys::stores_from(&sealing_key_text(), &[], 6);
    let other = App::new(&settings, store, stores, Vec::new(), app.clock.clone(), app.entropy.clone());
    look_after_keys(&other).await.unwrap();
    let run = app.start_run(&json!({"ttl_seconds": 86_400})).await;
    let mint = async |audience: Option<&str>| {
        let (id, token) = (run["id"].as_str().unwrap(), run["request_token"].as_str().unwrap());
        let run = runmint::flows::mint_id_token::authenticate_run(&other, id, token).await.unwrap();
        let request = runmint::flows::mint_id_token::MintRequest {
            audience,
            lifetime_seconds: None,
            caller: String::new(),
        };
        let token = runmint::flows::mint_id_token::mint_id_token(&other, &run, request).await.unwrap();
        (jsonwebtoken::decode_header(&token).unwrap().alg, token)
    };
    // Verifiers do not know the new key yet, so the known key signs.
    assert_eq!(mint(Some("sts.amazonaws.com")).await.0, jsonwebtoken::Algorithm::RS256);
    for _ in 0..2 {
        app.clock.advance(SignedDuration::from_hours(12) - seconds(200));
        look_after_keys(&other).await.unwrap();
        for _ in 0..30 {
            app.clock.advance(seconds(15));
            look_after_keys(&other).await.unwrap();
        }
    }
    let run = app.start_run(&json!({})).await;
    let (id, token) = (run["id"].as_str().unwrap(), run["request_token"].as_str().unwrap());
    let run = runmint::flows::mint_id_token::authenticate_run(&other, id, token).await.unwrap();
    let request = |audience| runmint::flows::mint_id_token::MintRequest {
        audience,
        lifetime_seconds: None,
        caller: String::new(),
    };
    let for_aws =
        runmint::flows::mint_id_token::mint_id_token(&other, &run, request(Some("sts.amazonaws.com")))
            .await
            .unwrap();
    let for_others = runmint::flows::mint_id_token::mint_id_token(&other, &run, request(None)).await.unwrap();
    assert_eq!(jsonwebtoken::decode_header(&for_aws).unwrap().alg, jsonwebtoken::Algorithm::ES256);
    assert_eq!(jsonwebtoken::decode_header(&for_others).unwrap().alg, jsonwebtoken::Algorithm::RS256);
    refresh(app.inner()).await.unwrap();
    let set = jwks(&app).await;
    assert!(verifies(&app, &for_aws, &set) && verifies(&app, &for_others, &set));
    assert_eq!(kids(&set).len(), 4);
    let discovery = app.get("", "/oidc/.well-known/openid-configuration").await.ok();
    assert_eq!(discovery["id_token_signing_alg_values_supported"], json!(["RS256", "ES256"]));
}

async fn an_organization_of_the_shared_issuer_may_choose_es256(app: TestApp) {
    let made = app.post(&app.admin, "/api/orgs", &json!({"name": "hooli", "algorithm": "ES256"})).await.ok();
    assert_eq!((&made["algorithm"], &made["issuer"]), (&json!("ES256"), &json!(app.issuer)));
    let body =
        json!({"service": "deploy", "attributes": {"project": "p", "stack": "s", "operation": "update"}});
    let start = async || app.post(&app.admin, "/api/orgs/hooli/runs", &body).await.ok();
    let alg =
        async |run: &Value, query: &str| jsonwebtoken::decode_header(app.mint(run, query).await).unwrap().alg;
    // Verifiers do not know an ES256 key of this issuer yet, so RS256 continues until one is warm.
    live(&app, DAY - ALMOST).await;
    assert_eq!(alg(&start().await, "").await, jsonwebtoken::Algorithm::RS256);
    live(&app, ALMOST).await;
    live(&app, seconds(25)).await;
    let run = start().await;
    assert_eq!(alg(&run, "").await, jsonwebtoken::Algorithm::ES256);
    // Azure accepts only RS256, whatever the organization chose.
    let for_azure = "&audience=api://AzureADTokenExchange";
    assert_eq!(alg(&run, for_azure).await, jsonwebtoken::Algorithm::RS256);
    let of_acme = app.start_run(&json!({})).await;
    assert_eq!(alg(&of_acme, "").await, jsonwebtoken::Algorithm::RS256);
    assert!(verifies(&app, &app.mint(&run, "").await, &jwks(&app).await));
}

async fn resealing_moves_every_key_and_can_be_interrupted_anywhere(app: TestApp) {
    let new = STANDARD.encode([43; 32]);
    let under = |id: &str| format!("SELECT COUNT(*) FROM signing_keys WHERE private_key LIKE '{id}.%'");
    let settings = app.settings();
    let process = async |primary: &str, others: &[String], accesses: u32| {
        let weather = Arc::new(AccessesLeft(AtomicU32::new(accesses)));
        let store = Store::open(settings.exposed_database_url(), 2).await.unwrap();
        let store = store.with_clock(app.clock.clone()).with_weather(weather);
        let stores = SharedKeys::stores_from(primary, others, 6);
        App::new(&settings, store, stores, Vec::new(), app.clock.clone(), app.entropy.clone())
    };
    let both = [sealing_key_text()];
    let active = kid_in_state(&app, "active").await;
    let other = process(&new, &both, u32::MAX).await;
    refresh(&other).await.unwrap();
    let new_id = other.key_stores.sealing().primary().id().to_owned();
    // The first process could not start again: it has only the old sealing key.
    let error = reseal_keys(&other).await.err().unwrap().to_string();
    assert!(error.contains(&app.inner().serving.replica().name) && error.contains(&new_id), "{error}");
    assert_eq!(app.database.number(&under(&new_id)).await, 0);
    app.clock.advance(seconds(21));

    // Wherever resealing is interrupted, a process with both sealing keys can open every key.
    let mut halfway = 0;
    let mut accesses = 0;
    loop {
        let interrupted = process(&new, &both, accesses).await;
        let outcome = reseal_keys(&interrupted).await;
        app.clock.advance(seconds(21));
        let resealed = app.database.number(&under(&new_id)).await;
        halfway += u32::from(resealed == 1);
        let fresh = process(&sealing_key_text(), std::slice::from_ref(&new), u32::MAX).await;
        load_keys(&fresh).await.unwrap();
        if outcome.is_ok() {
            break;
        }
        accesses += 1;
    }
    assert!(accesses > 4 && halfway > 0, "it was interrupted {accesses} times, {halfway} in the middle");
    assert_eq!(app.database.number(&under(&new_id)).await, 2);
    let again = reseal_keys(&other).await.unwrap();
    assert_eq!((again.keys, again.sealing_key.as_str()), (0, new_id.as_str()), "again changes nothing");

    // The new sealing key alone opens everything; the old one alone opens nothing.
    load_keys(&process(&new, &[], u32::MAX).await).await.unwrap();
    assert!(load_keys(&process(&sealing_key_text(), &[], u32::MAX).await).await.is_err());
    assert!(keys_to_sign_with(&other).await.is_ok());
    // The first process missed all of this. It continues with the keys it has open and reports what it needs.
    let kid = kid_of(&mint(&app).await);
    assert_eq!(kid, active);
    let told = app.get("", "/readyz").await.ok()["checks"]["rotation"].to_string();
    assert!(told.contains("could not read the signing keys again") && !told.contains(&new_id), "{told}");
    let alarms = app.get(&app.admin, "/api/keys").await.ok()["alarms"].to_string();
    assert!(alarms.contains(&new_id), "{alarms}");
}

/// A database that stops answering after this many accesses.
struct AccessesLeft(AtomicU32);

impl Weather for AccessesLeft {
    fn passes(&self) -> bool {
        let less = |left: u32| if left == u32::MAX { Some(left) } else { left.checked_sub(1) };
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }
}

async fn the_use_of_keys_is_recorded(app: TestApp) {
    look_after_keys(app.inner()).await.unwrap();
    let before = keys(&app).await;
    let active =
        |keys: &Value| keys.as_array().unwrap().iter().find(|key| key["state"] == "active").unwrap().clone();
    let signed = active(&before)["signatures"].as_i64().unwrap();
    app.clock.advance(seconds(3));
    jwks(&app).await;
    mint(&app).await;
    mint(&app).await;
    look_after_keys(app.inner()).await.unwrap();
    let after = active(&keys(&app).await);
    assert_eq!(after["signatures"].as_i64().unwrap(), signed + 2);
    assert_eq!(after["last_fetched_at"], app.clock.now().to_string());
}
