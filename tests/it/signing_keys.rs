//! Signing keys at rest and in service.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::JwkSet;
use runmint::clock::Clock;
use runmint::entropy::SystemEntropy;
use runmint::flows::initialize::ensure_signing_key;
use runmint::flows::load_keys::load_keys;
use runmint::signing::algorithm::SigningAlgorithm;
use runmint::signing::generate::{self, PrivateKeyDer, RsaBits};
use runmint::signing::sealing::{Purpose, SealingKey};
use runmint::signing::signing_key::SigningKey;
use runmint::trust::token::UnverifiedToken;
use serde_json::{Value, json};

use crate::harness::{TestApp, on_both_engines, sealing_key_text};

on_both_engines![
    private_keys_swapped_between_rows_do_not_open,
    one_changed_character_of_a_sealed_key_is_noticed,
    a_key_under_another_sealing_key_is_not_opened,
    a_public_half_that_does_not_belong_is_not_published,
    a_private_half_of_another_key_is_noticed,
    a_missing_private_half_is_noticed,
    a_damaged_key_is_never_replaced_by_a_new_one,
    one_key_is_active_for_an_algorithm,
    next_active_and_previous_are_published_and_no_other,
    only_the_active_key_signs,
];

fn sealing_key() -> SealingKey {
    SealingKey::parse(&sealing_key_text()).unwrap()
}

/// A key beside the one that every app begins with. Finding one takes a while, so tests share them.
struct Spare {
    kid: String,
    public_jwk: String,
    der: PrivateKeyDer,
}

fn spares() -> &'static [Spare; 4] {
    static SPARES: OnceLock<[Spare; 4]> = OnceLock::new();
    SPARES.get_or_init(|| {
        std::array::from_fn(|_| {
            let der =
                generate::private_key(SigningAlgorithm::Rs256, RsaBits::default(), &SystemEntropy::new())
                    .unwrap();
            let key = SigningKey::from_der(&der, SigningAlgorithm::Rs256).unwrap();
            let public_jwk = serde_json::to_string(key.public_jwk()).unwrap();
            Spare { kid: key.kid().to_owned(), public_jwk, der }
        })
    })
}

impl Spare {
    async fn insert(&self, app: &TestApp, state: &str, created_after: i64) {
        let sealing_key = sealing_key();
        let purpose = Purpose { kid: &self.kid, algorithm: "RS256" };
        let sealed = sealing_key.seal(self.der.as_bytes(), &purpose, &SystemEntropy::new());
        let created = app.clock.now().as_millisecond() + created_after;
        let sql = format!(
            "INSERT INTO signing_keys (kid, algorithm, state, public_jwk, sealed_private, sealing_key_id, created_at)
             VALUES ('{}', 'RS256', '{state}', '{}', '{}', '{}', {created})",
            self.kid, self.public_jwk, sealed.text, sealed.sealing_key_id,
        );
        app.database.execute(&sql).await;
    }
}

async fn active_kid(app: &TestApp) -> String {
    app.database.text("SELECT kid FROM signing_keys WHERE state = 'active'").await
}

async fn set(app: &TestApp, kid: &str, column: &str, value: &str) {
    app.database.execute(&format!("UPDATE signing_keys SET {column} = {value} WHERE kid = '{kid}'")).await;
}

/// Loading must fail, name `kid`, and leave what is in service and what is stored as it is.
#[track_caller]
fn assert_refused(outcome: Result<(), runmint::flows::load_keys::LoadKeysError>, kid: &str) {
    let error = outcome.expect_err("the keys must not load").to_string();
    assert!(error.contains(kid), "{kid} is not named: {error}");
}

async fn refuses_to_load(app: &TestApp, kid: &str) {
    let stored = "SELECT COUNT(*) FROM signing_keys";
    let (rows, published) = (app.database.number(stored).await, jwks(app).await);
    assert_refused(load_keys(app.inner(), &sealing_key()).await, kid);
    assert_eq!(app.database.number(stored).await, rows);
    assert_eq!(jwks(app).await, published);
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
    let active = active_kid(&app).await;
    let other = &spares()[0];
    other.insert(&app, "next", 1).await;
    load_keys(app.inner(), &sealing_key()).await.unwrap();
    let sealed = async |kid: &str| {
        app.database.text(&format!("SELECT sealed_private FROM signing_keys WHERE kid = '{kid}'")).await
    };
    let (mine, theirs) = (sealed(&active).await, sealed(&other.kid).await);
    set(&app, &active, "sealed_private", &format!("'{theirs}'")).await;
    refuses_to_load(&app, &active).await;
    let error = load_keys(app.inner(), &sealing_key()).await.unwrap_err().to_string();
    assert!(error.contains("does not open"), "{error}");
    set(&app, &other.kid, "sealed_private", &format!("'{mine}'")).await;
    refuses_to_load(&app, &active).await;
    // The key in waiting is proven too, not only on the day that it begins to sign.
    set(&app, &active, "sealed_private", &format!("'{mine}'")).await;
    refuses_to_load(&app, &other.kid).await;
    set(&app, &other.kid, "sealed_private", &format!("'{theirs}'")).await;
    load_keys(app.inner(), &sealing_key()).await.unwrap();
}

async fn one_changed_character_of_a_sealed_key_is_noticed(app: TestApp) {
    let active = active_kid(&app).await;
    let good = app.database.text("SELECT sealed_private FROM signing_keys").await;
    let last = good.trim_end_matches('=').len() - 1;
    for index in [0, 1, 15, 16, 17, 100, 777, last - 30, last - 1, last] {
        let mut changed = good.clone().into_bytes();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        set(&app, &active, "sealed_private", &format!("'{changed}'")).await;
        refuses_to_load(&app, &active).await;
    }
    for wrong in ["", "A", "not base64!", &good[..good.len() - 4], &good[..16], &format!("{good}AAAA")] {
        set(&app, &active, "sealed_private", &format!("'{wrong}'")).await;
        refuses_to_load(&app, &active).await;
    }
    set(&app, &active, "sealed_private", &format!("'{good}'")).await;
    load_keys(app.inner(), &sealing_key()).await.unwrap();
}

async fn a_key_under_another_sealing_key_is_not_opened(app: TestApp) {
    let active = active_kid(&app).await;
    let right = sealing_key();
    let wrong = SealingKey::parse(&STANDARD.encode([43; 32])).unwrap();
    let error = load_keys(app.inner(), &wrong).await.unwrap_err().to_string();
    for named in [active.as_str(), right.id(), wrong.id()] {
        assert!(error.contains(named), "{named}: {error}");
    }
    assert!(!error.contains(&sealing_key_text()) && !error.contains('\n'), "{error}");
    // The row may lie about which key it needs; the seal does not.
    set(&app, &active, "sealing_key_id", &format!("'{}'", wrong.id())).await;
    refuses_to_load(&app, &active).await;
    assert_refused(load_keys(app.inner(), &wrong).await, &active);
    set(&app, &active, "sealing_key_id", &format!("'{}'", right.id())).await;
    load_keys(app.inner(), &right).await.unwrap();
}

async fn a_public_half_that_does_not_belong_is_not_published(app: TestApp) {
    let active = active_kid(&app).await;
    let [previous, next, stranger, _] = spares();
    previous.insert(&app, "previous", -2).await;
    next.insert(&app, "next", 1).await;
    load_keys(app.inner(), &sealing_key()).await.unwrap();
    let good = async |kid: &str| {
        app.database.text(&format!("SELECT public_jwk FROM signing_keys WHERE kid = '{kid}'")).await
    };
    for kid in [&active, &previous.kid, &next.kid] {
        let good = good(kid).await;
        let changed = |name: &str, value: Value| {
            let mut jwk: Value = serde_json::from_str(&good).unwrap();
            jwk[name] = value;
            jwk.to_string()
        };
        let n = serde_json::from_str::<Value>(&stranger.public_jwk).unwrap()["n"].clone();
        for wrong in [
            stranger.public_jwk.clone(),
            // Whoever swaps the modulus alone would verify their own signatures under a trusted kid.
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
    // A published key whose private half is destroyed still has to be what its kid says.
    set(&app, &previous.kid, "sealed_private", "NULL").await;
    load_keys(app.inner(), &sealing_key()).await.unwrap();
    let with_kid = stranger.public_jwk.replace(&stranger.kid, &previous.kid);
    set(&app, &previous.kid, "public_jwk", &format!("'{with_kid}'")).await;
    refuses_to_load(&app, &previous.kid).await;
}

/// Sealed as if it belonged: the seal alone does not make it the right key.
async fn a_private_half_of_another_key_is_noticed(app: TestApp) {
    let active = active_kid(&app).await;
    let purpose = Purpose { kid: &active, algorithm: "RS256" };
    for wrong in [spares()[0].der.as_bytes(), b"not a key"] {
        let sealed = sealing_key().seal(wrong, &purpose, &SystemEntropy::new());
        set(&app, &active, "sealed_private", &format!("'{}'", sealed.text)).await;
        refuses_to_load(&app, &active).await;
    }
}

async fn a_missing_private_half_is_noticed(app: TestApp) {
    let active = active_kid(&app).await;
    for column in ["sealed_private", "sealing_key_id"] {
        let value = app.database.text(&format!("SELECT {column} FROM signing_keys")).await;
        set(&app, &active, column, "NULL").await;
        refuses_to_load(&app, &active).await;
        set(&app, &active, column, &format!("'{value}'")).await;
    }
    let next = &spares()[0];
    next.insert(&app, "next", 1).await;
    set(&app, &next.kid, "sealed_private", "NULL").await;
    refuses_to_load(&app, &next.kid).await;
}

async fn a_damaged_key_is_never_replaced_by_a_new_one(app: TestApp) {
    let active = active_kid(&app).await;
    let row = "SELECT kid || state || public_jwk || COALESCE(sealed_private, '') FROM signing_keys";
    for damage in ["'damaged'", "NULL"] {
        set(&app, &active, "sealed_private", damage).await;
        let before = app.database.text(row).await;
        assert!(!ensure_signing_key(app.inner(), &sealing_key()).await.unwrap());
        refuses_to_load(&app, &active).await;
        assert_eq!(app.database.text(row).await, before);
    }
    set(&app, &active, "state", "'actve'").await;
    ensure_signing_key(app.inner(), &sealing_key()).await.unwrap_err();
    load_keys(app.inner(), &sealing_key()).await.unwrap_err();
    assert_eq!(app.database.number("SELECT COUNT(*) FROM signing_keys").await, 1);
}

async fn one_key_is_active_for_an_algorithm(app: TestApp) {
    let spare = &spares()[0];
    spare.insert(&app, "next", 1).await;
    let mut connection = app.database.connect().await;
    let second = format!("UPDATE signing_keys SET state = 'active' WHERE kid = '{}'", spare.kid);
    let error = sqlx::query(sqlx::AssertSqlSafe(second)).execute(&mut connection).await.unwrap_err();
    let error = error.into_database_error().unwrap();
    assert!(error.is_unique_violation(), "{error}");
    assert_eq!(app.database.number("SELECT COUNT(*) FROM signing_keys WHERE state = 'active'").await, 1);
}

async fn next_active_and_previous_are_published_and_no_other(app: TestApp) {
    let active = active_kid(&app).await;
    let [previous, removed, revoked, next] = spares();
    previous.insert(&app, "previous", -3).await;
    removed.insert(&app, "removed", -2).await;
    revoked.insert(&app, "revoked", -1).await;
    next.insert(&app, "next", 1).await;
    // What is not published is not opened either: its private half is gone, or should be.
    set(&app, &removed.kid, "sealed_private", "NULL").await;
    set(&app, &revoked.kid, "sealed_private", "'destroyed'").await;
    let before = app.get("", "/oidc/.well-known/jwks").await;
    load_keys(app.inner(), &sealing_key()).await.unwrap();
    assert_eq!(kids(&app).await, [previous.kid.clone(), active, next.kid.clone()]);
    let after = app.get("", "/oidc/.well-known/jwks").await;
    assert_ne!(after.header("etag"), before.header("etag"));
    for key in after.ok()["keys"].as_array().unwrap() {
        let mut members: Vec<&String> = key.as_object().unwrap().keys().collect();
        members.sort();
        assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
    }
    set(&app, &previous.kid, "state", "'revoked'").await;
    load_keys(app.inner(), &sealing_key()).await.unwrap();
    assert!(!kids(&app).await.contains(&previous.kid));
}

async fn only_the_active_key_signs(app: TestApp) {
    let first = active_kid(&app).await;
    let [previous, next, ..] = spares();
    previous.insert(&app, "previous", -1).await;
    next.insert(&app, "next", 1).await;
    load_keys(app.inner(), &sealing_key()).await.unwrap();
    let run = app.start_run(&json!({})).await;
    let old = app.mint(&run, "").await;
    assert_eq!(kid_of(&old), first);

    set(&app, &first, "state", "'previous'").await;
    set(&app, &next.kid, "state", "'active'").await;
    load_keys(app.inner(), &sealing_key()).await.unwrap();
    let new = app.mint(&run, "").await;
    assert_eq!(kid_of(&new), next.kid);
    let jwks: JwkSet = serde_json::from_value(jwks(&app).await).unwrap();
    for token in [&old, &new] {
        UnverifiedToken::parse(token).unwrap().verify(&jwks, &app.issuer, app.clock.now()).unwrap();
    }

    // Without an active key nothing is signed, and the service says so.
    set(&app, &next.kid, "state", "'next'").await;
    load_keys(app.inner(), &sealing_key()).await.unwrap();
    app.ask(&run, "").await.problem(503, "unavailable");
    let ready = app.get("", "/readyz").await;
    assert_eq!(
        (ready.status.as_u16(), &ready.json()["checks"]["signing_key"]),
        (503, &json!("no signing key is active"))
    );
    assert_eq!(app.database.number("SELECT COUNT(*) FROM id_tokens").await, 2);
}
