//! Signing keys at rest and in use.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::JwkSet;
use runmint::app::App;
use runmint::clock::Clock;
use runmint::entropy::SystemEntropy;
use runmint::flows::initialize::ensure_signing_keys;
use runmint::flows::load_keys::{LoadKeysError, attested, load_keys};
use runmint::signing::algorithm::SigningAlgorithm;
use runmint::signing::keyring::{IssuerId, RingId};
use runmint::signing::sealing::{Purpose, SealingKey};
use runmint::signing::signing_key::SigningKey;
use runmint::store::Store;
use serde_json::{Value, json};

use crate::harness::{SharedKeys, TestApp, on_both_engines, rsa_key, sealing_key_text, verify};

on_both_engines![
    private_keys_swapped_between_rows_do_not_open,
    one_changed_character_of_a_sealed_key_is_noticed,
    a_key_under_another_sealing_key_is_not_opened,
    a_mismatched_public_half_is_not_published,
    a_private_half_of_another_key_is_noticed,
    a_missing_private_half_is_noticed,
    a_damaged_key_is_never_replaced_by_a_new_one,
    each_algorithm_has_one_active_and_one_next_key,
    a_row_without_a_valid_attestation_is_not_published,
    keys_older_than_attestations_get_one_when_opened,
    a_revoked_key_does_not_come_back,
    a_key_is_not_moved_to_another_issuer,
    a_key_that_vanished_from_the_database_stays_published,
    only_next_active_and_previous_keys_are_published,
    only_the_active_key_signs,
];

fn sealing_key() -> SealingKey {
    SealingKey::parse(&sealing_key_text()).unwrap()
}

const RING: RingId = RingId { issuer: IssuerId::Shared, algorithm: SigningAlgorithm::Rs256 };

/// A key besides the two that every app starts with.
struct Spare {
    kid: String,
    public_jwk: String,
    number: usize,
}

fn spares() -> [Spare; 4] {
    std::array::from_fn(|index| {
        let number = 10 + index;
        let key = SigningKey::from_der(rsa_key(number), SigningAlgorithm::Rs256).unwrap();
        let public_jwk = serde_json::to_string(key.public_jwk()).unwrap();
        Spare { kid: key.kid().to_owned(), public_jwk, number }
    })
}

impl Spare {
    /// Inserts it into the database as if the service had made it; `times` are more columns and their values.
    async fn insert(&self, app: &TestApp, created_after: i64, times: &[(&str, i64)]) {
        let sealing_key = sealing_key();
        let purpose = Purpose { kid: &self.kid, algorithm: "RS256" };
        let sealed = sealing_key.seal(rsa_key(self.number).as_bytes(), &purpose, &SystemEntropy::new());
        let attestation = sealing_key.attest(&attested(RING, &self.kid));
        let created = app.clock.now().as_millisecond() + created_after;
        let columns: Vec<&str> =
            ["published_at"].into_iter().chain(times.iter().map(|(name, _)| *name)).collect();
        let values = std::iter::once(created).chain(times.iter().map(|(_, value)| *value));
        let values: Vec<String> = values.map(|value| value.to_string()).collect();
        let sql = format!(
            "INSERT INTO signing_keys (kid, algorithm, public_jwk, private_key, attestation, created_at, {})
             VALUES ('{}', 'RS256', '{}', '{sealed}', '{attestation}', {created}, {})",
            columns.join(", "),
            self.kid,
            self.public_jwk,
            values.join(", "),
        );
        app.database.execute(&sql).await;
    }

    async fn insert_previous(&self, app: &TestApp, created_after: i64) {
        let now = app.clock.now().as_millisecond();
        self.insert(app, created_after, &[("signs_from", now - 2), ("signs_until", now - 1)]).await;
    }
}

async fn active_kid(app: &TestApp) -> String {
    app.database
        .text("SELECT kid FROM signing_keys WHERE signs_from IS NOT NULL AND signs_until IS NULL")
        .await
}

async fn next_kid(app: &TestApp) -> String {
    app.database.text("SELECT kid FROM signing_keys WHERE signs_from IS NULL").await
}

async fn column(app: &TestApp, kid: &str, column: &str) -> String {
    app.database.text(&format!("SELECT {column} FROM signing_keys WHERE kid = '{kid}'")).await
}

async fn set(app: &TestApp, kid: &str, column: &str, value: &str) {
    app.database.execute(&format!("UPDATE signing_keys SET {column} = {value} WHERE kid = '{kid}'")).await;
}

/// Loads the keys as a newly started process with an empty memory would.
async fn load_afresh(app: &TestApp, sealing_key: &str, others: &[String]) -> Result<(), LoadKeysError> {
    let fresh = another_process(app, sealing_key, others).await;
    let loaded = load_keys(&fresh).await;
    fresh.store.close().await;
    loaded
}

async fn another_process(app: &TestApp, sealing_key: &str, others: &[String]) -> App {
    let settings = app.settings();
    let store = Store::open(settings.exposed_database_url(), 2).await.unwrap().with_clock(app.clock.clone());
    let stores = SharedKeys::stores(sealing_key, others);
    App::new(&settings, store, stores, Vec::new(), app.clock.clone(), app.entropy.clone())
}

/// Asserts that loading fails in a starting process and names `kid`; a running process keeps its state, and
/// the stored rows are unchanged.
async fn refuses_to_load(app: &TestApp, kid: &str) {
    let stored = "SELECT COUNT(*) FROM signing_keys";
    let (rows, published) = (app.database.number(stored).await, jwks(app).await);
    let error =
        load_afresh(app, &sealing_key_text(), &[]).await.expect_err("the keys must not load").to_string();
    assert!(error.contains(kid), "{kid} is not named: {error}");
    let _ = load_keys(app.inner()).await;
    assert_eq!(app.database.number(stored).await, rows);
    assert_eq!(jwks(app).await, published);
}

async fn loads(app: &TestApp) {
    load_afresh(app, &sealing_key_text(), &[]).await.unwrap();
    load_keys(app.inner()).await.unwrap();
}

async fn jwks(app: &TestApp) -> Value {
    app.get("", "/oidc/.well-known/jwks").await.ok()
}

async fn kids(app: &TestApp) -> Vec<String> {
    let jwks = jwks(app).await;
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn kid_of(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

async fn private_keys_swapped_between_rows_do_not_open(app: TestApp) {
    let (active, next) = (active_kid(&app).await, next_kid(&app).await);
    loads(&app).await;
    let (mine, theirs) =
        (column(&app, &active, "private_key").await, column(&app, &next, "private_key").await);
    set(&app, &active, "private_key", &format!("'{theirs}'")).await;
    refuses_to_load(&app, &active).await;
    let error = load_afresh(&app, &sealing_key_text(), &[]).await.unwrap_err().to_string();
    assert!(error.contains("could not open signing key"), "{error}");
    set(&app, &active, "private_key", &format!("'{mine}'")).await;
    // The next key is also verified, not only on the day it begins to sign.
    set(&app, &next, "private_key", &format!("'{mine}'")).await;
    refuses_to_load(&app, &next).await;
    set(&app, &next, "private_key", &format!("'{theirs}'")).await;
    loads(&app).await;
}

async fn one_changed_character_of_a_sealed_key_is_noticed(app: TestApp) {
    let active = active_kid(&app).await;
    let good = column(&app, &active, "private_key").await;
    let begin = good.find('.').unwrap() + 1;
    let last = good.trim_end_matches('=').len() - 1;
    for index in [begin, begin + 1, begin + 15, begin + 16, begin + 17, 100, 777, last - 30, last - 1, last] {
        let mut changed = good.clone().into_bytes();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        set(&app, &active, "private_key", &format!("'{changed}'")).await;
        refuses_to_load(&app, &active).await;
    }
    let id = &good[..begin];
    let unsealed = ["", "A", "not base64!", &good[begin..good.len() - 4], &good[begin..begin + 16]];
    for wrong in unsealed.iter().map(|text| format!("{id}{text}")).chain(unsealed.map(str::to_owned)) {
        set(&app, &active, "private_key", &format!("'{wrong}'")).await;
        refuses_to_load(&app, &active).await;
    }
    set(&app, &active, "private_key", &format!("'{good}'")).await;
    loads(&app).await;
}

async fn a_key_under_another_sealing_key_is_not_opened(app: TestApp) {
    let active = active_kid(&app).await;
    let right = sealing_key();
    let wrong = STANDARD.encode([43; 32]);
    let wrong_id = SealingKey::parse(&wrong).unwrap().id().to_owned();
    let error = load_afresh(&app, &wrong, &[]).await.unwrap_err().to_string();
    for named in [active.as_str(), right.id(), wrong_id.as_str()] {
        assert!(error.contains(named), "{named}: {error}");
    }
    assert!(!error.contains(&sealing_key_text()) && !error.contains('\n'), "{error}");
    // The row may name the wrong sealing key; the seal cannot.
    let good = column(&app, &active, "private_key").await;
    let lie = good.replacen(right.id(), &wrong_id, 1);
    set(&app, &active, "private_key", &format!("'{lie}'")).await;
    refuses_to_load(&app, &active).await;
    load_afresh(&app, &wrong, &[]).await.unwrap_err();
    set(&app, &active, "private_key", &format!("'{good}'")).await;
    loads(&app).await;
    // A key configured beside a newer one still opens.
    load_afresh(&app, &wrong, &[sealing_key_text()]).await.unwrap();
}

async fn a_mismatched_public_half_is_not_published(app: TestApp) {
    let (active, next) = (active_kid(&app).await, next_kid(&app).await);
    let [previous, stranger, ..] = spares();
    previous.insert_previous(&app, -2).await;
    loads(&app).await;
    for kid in [&active, &previous.kid, &next] {
        let good = column(&app, kid, "public_jwk").await;
        let changed = |name: &str, value: Value| {
            let mut jwk: Value = serde_json::from_str(&good).unwrap();
            jwk[name] = value;
            jwk.to_string()
        };
        let n = serde_json::from_str::<Value>(&stranger.public_jwk).unwrap()["n"].clone();
        for wrong in [
            stranger.public_jwk.clone(),
            // An attacker who replaces only the modulus would have their own signatures verified under a
            // trusted kid.
            changed("n", n),
            changed("e", json!("Aw")),
            changed("kid", json!(stranger.kid)),
            changed("alg", json!("PS256")),
            changed("use", json!("enc")),
            "{}".to_owned(),
            String::new(),
        ] {
            set(&app, kid, "public_jwk", &format!("'{wrong}'")).await;
            refuses_to_load(&app, kid).await;
        }
        set(&app, kid, "public_jwk", &format!("'{good}'")).await;
    }
    // A published key whose private half was destroyed must still match its kid.
    set(&app, &previous.kid, "private_key", "NULL").await;
    loads(&app).await;
    let with_kid = stranger.public_jwk.replace(&stranger.kid, &previous.kid);
    set(&app, &previous.kid, "public_jwk", &format!("'{with_kid}'")).await;
    refuses_to_load(&app, &previous.kid).await;
}

/// Otherwise an attacker with write access to the database could publish a key of their own as a previous
/// key.
async fn a_row_without_a_valid_attestation_is_not_published(app: TestApp) {
    let stranger = &spares()[0];
    stranger.insert_previous(&app, -2).await;
    set(&app, &stranger.kid, "private_key", "NULL").await;
    loads(&app).await;
    assert!(kids(&app).await.contains(&stranger.kid), "with our attestation it is ours");
    let good = column(&app, &stranger.kid, "attestation").await;
    let of_another_key = column(&app, &active_kid(&app).await, "attestation").await;
    let by_another =
        SealingKey::parse(&STANDARD.encode([43; 32])).unwrap().attest(&attested(RING, &stranger.kid));
    let es256 = RingId { algorithm: SigningAlgorithm::Es256, ..RING };
    let for_another_ring = sealing_key().attest(&attested(es256, &stranger.kid));
    for wrong in ["NULL", "''", "'AAAA'"]
        .map(str::to_owned)
        .into_iter()
        .chain([of_another_key, by_another, for_another_ring].map(|text| format!("'{text}'")))
    {
        set(&app, &stranger.kid, "attestation", &wrong).await;
        refuses_to_load(&app, &stranger.kid).await;
    }
    set(&app, &stranger.kid, "attestation", &format!("'{good}'")).await;
    loads(&app).await;
}

/// Keys made before attestations existed get one when they are opened. As in the first version: no key has an
/// attestation.
async fn keys_older_than_attestations_get_one_when_opened(app: TestApp) {
    let (active, next) = (active_kid(&app).await, next_kid(&app).await);
    let good = column(&app, &active, "attestation").await;
    for kid in [&active, &next] {
        set(&app, kid, "attestation", "NULL").await;
    }
    loads(&app).await;
    assert_eq!(column(&app, &active, "attestation").await, good);
    // The other keys have attestations, so this one was removed.
    set(&app, &next, "attestation", "NULL").await;
    refuses_to_load(&app, &next).await;
}

async fn a_revoked_key_does_not_come_back(app: TestApp) {
    let (active, next) = (active_kid(&app).await, next_kid(&app).await);
    let attestation = column(&app, &active, "attestation").await;
    let body = json!({"compromised": true});
    app.post(&app.admin, &format!("/api/keys/{active}/revoke"), &body).await.ok();
    let published = jwks(&app).await;
    // A thief of the key may also have write access to the database.
    for (column, value) in
        [("revoked_at", "NULL"), ("revoked_by", "NULL"), ("attestation", &format!("'{attestation}'"))]
    {
        set(&app, &active, column, value).await;
    }
    let error = load_keys(app.inner()).await.unwrap_err();
    assert!(matches!(&error, LoadKeysError::Returned(kid) if *kid == active), "{error}");
    assert_eq!(jwks(&app).await, published);
    assert!(kids(&app).await.contains(&next));
}

async fn a_key_is_not_moved_to_another_issuer(app: TestApp) {
    app.post(&app.admin, "/api/orgs", &json!({"name": "globex", "issuer": "own"})).await.ok();
    load_keys(app.inner()).await.unwrap();
    let own = app.database.text("SELECT MIN(kid) FROM signing_keys WHERE issuer <> 'shared'").await;
    let before = jwks(&app).await;
    set(&app, &own, "signs_from", "1").await;
    set(&app, &own, "signs_until", "9000000000000").await;
    set(&app, &own, "issuer", "'shared'").await;
    set(&app, &own, "attestation", "NULL").await;
    refuses_to_load(&app, &own).await;
    assert_eq!(jwks(&app).await, before);
}

/// Sealed as if it belonged there: a valid seal alone does not make it the right key.
async fn a_private_half_of_another_key_is_noticed(app: TestApp) {
    let active = active_kid(&app).await;
    let purpose = Purpose { kid: &active, algorithm: "RS256" };
    for wrong in [rsa_key(10).as_bytes(), b"not a key"] {
        let sealed = sealing_key().seal(wrong, &purpose, &SystemEntropy::new());
        set(&app, &active, "private_key", &format!("'{sealed}'")).await;
        refuses_to_load(&app, &active).await;
    }
}

async fn a_missing_private_half_is_noticed(app: TestApp) {
    for kid in [active_kid(&app).await, next_kid(&app).await] {
        let value = column(&app, &kid, "private_key").await;
        set(&app, &kid, "private_key", "NULL").await;
        refuses_to_load(&app, &kid).await;
        set(&app, &kid, "private_key", &format!("'{value}'")).await;
    }
}

async fn a_damaged_key_is_never_replaced_by_a_new_one(app: TestApp) {
    let active = active_kid(&app).await;
    let row = format!(
        "SELECT kid || public_jwk || COALESCE(private_key, '') FROM signing_keys WHERE kid = '{active}'"
    );
    for damage in ["'damaged'", "NULL"] {
        set(&app, &active, "private_key", damage).await;
        let before = app.database.text(&row).await;
        assert!(!ensure_signing_keys(app.inner()).await.unwrap());
        refuses_to_load(&app, &active).await;
        assert_eq!(app.database.text(&row).await, before);
    }
    set(&app, &active, "algorithm", "'RS265'").await;
    ensure_signing_keys(app.inner()).await.unwrap_err();
    load_keys(app.inner()).await.unwrap_err();
    assert_eq!(app.database.number("SELECT COUNT(*) FROM signing_keys").await, 2);
}

async fn each_algorithm_has_one_active_and_one_next_key(app: TestApp) {
    let next = next_kid(&app).await;
    let mut connection = app.database.connect().await;
    let second = format!("UPDATE signing_keys SET signs_from = 1 WHERE kid = '{next}'");
    let error = sqlx::query(sqlx::AssertSqlSafe(second)).execute(&mut connection).await.unwrap_err();
    assert!(error.into_database_error().unwrap().is_unique_violation());
    let key = spares()[0].kid.clone();
    let sql = format!(
        "INSERT INTO signing_keys (kid, algorithm, public_jwk, created_at, published_at) VALUES ('{key}', 'RS256', '{{}}', 1, 1)"
    );
    let error = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap_err();
    assert!(error.into_database_error().unwrap().is_unique_violation());
    assert_eq!(app.database.number("SELECT COUNT(*) FROM signing_keys").await, 2);
}

async fn only_next_active_and_previous_keys_are_published(app: TestApp) {
    let (active, next) = (active_kid(&app).await, next_kid(&app).await);
    let [previous, removed, revoked, _] = spares();
    let now = app.clock.now().as_millisecond();
    previous.insert_previous(&app, -3).await;
    removed.insert(&app, -2, &[("signs_from", 1), ("signs_until", 2), ("removed_at", now)]).await;
    revoked.insert(&app, -1, &[("signs_from", 1), ("signs_until", 2), ("revoked_at", now)]).await;
    // An unpublished key is not opened: its private half is gone, or should be.
    set(&app, &removed.kid, "private_key", "NULL").await;
    set(&app, &revoked.kid, "private_key", "'destroyed'").await;
    let before = app.get("", "/oidc/.well-known/jwks").await;
    loads(&app).await;
    assert_eq!(kids(&app).await, [previous.kid.clone(), active, next]);
    let after = app.get("", "/oidc/.well-known/jwks").await;
    assert_ne!(after.header("etag"), before.header("etag"));
    for key in after.ok()["keys"].as_array().unwrap() {
        let mut members: Vec<&String> = key.as_object().unwrap().keys().collect();
        members.sort();
        assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
    }
    set(&app, &previous.kid, "revoked_at", "1").await;
    load_keys(app.inner()).await.unwrap();
    assert!(!kids(&app).await.contains(&previous.kid));
}

/// An old backup or an operator's mistake must not make verifiers refuse valid tokens.
async fn a_key_that_vanished_from_the_database_stays_published(app: TestApp) {
    let next = next_kid(&app).await;
    let before = jwks(&app).await;
    app.database.execute("DELETE FROM key_servings").await;
    app.database.execute(&format!("DELETE FROM signing_keys WHERE kid = '{next}'")).await;
    let error = load_keys(app.inner()).await.unwrap_err();
    assert!(matches!(&error, LoadKeysError::Vanished(kid) if *kid == next), "{error}");
    assert_eq!(jwks(&app).await, before);
    app.database.execute("DELETE FROM signing_keys").await;
    load_keys(app.inner()).await.unwrap_err();
    assert_eq!(jwks(&app).await, before);
}

async fn only_the_active_key_signs(app: TestApp) {
    let (first, next) = (active_kid(&app).await, next_kid(&app).await);
    let run = app.start_run(&json!({})).await;
    let old = app.mint(&run, "").await;
    assert_eq!(kid_of(&old), first);

    let now = app.clock.now().as_millisecond();
    set(&app, &first, "signs_until", &now.to_string()).await;
    set(&app, &next, "signs_from", &now.to_string()).await;
    load_keys(app.inner()).await.unwrap();
    let new = app.mint(&run, "").await;
    assert_eq!(kid_of(&new), next);
    let jwks: JwkSet = serde_json::from_value(jwks(&app).await).unwrap();
    for token in [&old, &new] {
        verify(token, &jwks, &app.issuer, app.clock.now()).unwrap();
    }

    // Without an active key nothing is signed, and the service says so.
    set(&app, &next, "signs_from", "NULL").await;
    load_keys(app.inner()).await.unwrap();
    app.ask(&run, "").await.problem(503, "unavailable");
    let ready = app.get("", "/readyz").await;
    assert_eq!(
        (ready.status.as_u16(), &ready.json()["checks"]["signing_key"]),
        (503, &json!("no key signs at the moment"))
    );
    assert_eq!(app.database.number("SELECT COUNT(*) FROM id_tokens").await, 2);
}
