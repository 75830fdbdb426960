//! A database from before rotation existed, with its key, a run and its record of tokens.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use reqwest::Method;
use runmint::clock::{Clock, SystemClock};
use runmint::entropy::SystemEntropy;
use runmint::opaque_token::{OpaqueToken, TokenKind};
use runmint::signing::algorithm::SigningAlgorithm;
use runmint::signing::sealing::{Purpose, SealingKey};
use runmint::signing::signing_key::SigningKey;
use serde_json::{Value, json};
use sqlx::Connection;

use crate::harness::{Installation, eventually, installed_on_both_engines, rsa_key, sealing_key_text};

installed_on_both_engines![
    the_key_continues_to_sign_and_gets_a_successor,
    a_run_older_than_profiles_continues_unchanged,
];

async fn the_key_continues_to_sign_and_gets_a_successor(installation: Installation) {
    let installation = installation.variable("RUNMINT_SEALING_KEY", &sealing_key_text());
    let kid = make_old_database(&installation).await;
    let admin = installation.init(&["--new-admin-token"]).unwrap();
    let service = installation.serve();
    let run = service.first_run(&admin).await;
    let token = service.ask(&run).await.ok()["value"].as_str().unwrap().to_owned();
    assert_eq!(jsonwebtoken::decode_header(&token).unwrap().kid.unwrap(), kid);
    let keys = async || service.get(&admin, "/api/keys").await.ok()["keys"].as_array().unwrap().clone();
    eventually("it has a successor", async || keys().await.len() == 2).await;
    let old = &keys().await[0];
    assert_eq!((&old["kid"], &old["state"]), (&json!(kid), &json!("active")));
    assert_eq!(old["signs_from"], "2026-11-01T00:00:00Z");
    // It gets an attestation, so later changes are noticed.
    let attested = "SELECT COUNT(*) FROM signing_keys WHERE attestation IS NOT NULL";
    assert_eq!(installation.database.number(attested).await, 2);
}

async fn a_run_older_than_profiles_continues_unchanged(installation: Installation) {
    let installation = installation.variable("RUNMINT_SEALING_KEY", &sealing_key_text());
    make_old_database(&installation).await;
    let request_token = OpaqueToken::generate(TokenKind::RunRequestToken, &SystemEntropy::new());
    let (id, far) = (uuid::Uuid::from_u128(1), i64::MAX / 1_000_000);
    let hash = request_token.hash();
    for sql in [
        format!("INSERT INTO organizations (id, name, created_at) VALUES ('{id}', 'acme', 0)"),
        format!("INSERT INTO access_tokens (id, hash, name, role, created_at) VALUES ('{id}', 'h', 'n', 'admin', 0)"),
        format!(
            "INSERT INTO runs (id, organization_id, service, attributes, subject, claims, state, request_token_hash,
                 started_by, created_at, expires_at)
             VALUES ('{id}', '{id}', 'deploy', '{{\"project\":\"website\"}}', 'its subject', '{{\"project\":\"website\"}}',
                 'active', '{hash}', '{id}', 0, {far})",
            hash = hash.as_str()
        ),
    ] {
        installation.database.execute(&sql).await;
    }
    let admin = installation.init(&["--new-admin-token"]).unwrap();
    let service = installation.serve();
    // Profiles saved now apply to runs that start from now on.
    let profiles = json!({"version": 0, "profiles": {"*": {"include_claims": []}}});
    service.send(Method::PUT, &admin, "/api/orgs/acme/audience-profiles", &profiles).await.ok();
    let path = format!("/api/runs/{id}/id-token?api-version=1&audience=vault");
    let answer = service.get(request_token.expose(), &path).await.ok();
    let payload = answer["value"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!((&claims["sub"], &claims["project"]), (&json!("its subject"), &json!("website")));
    let shown = service.get(&admin, &format!("/api/runs/{id}?audience=vault")).await.ok();
    assert_eq!((&shown["subject"], &shown["cloud"]), (&json!("its subject"), &json!({})));
}

/// Returns the id of its key.
async fn make_old_database(installation: &Installation) -> String {
    let path = installation.path("runmint.db");
    if installation.database.url.starts_with("sqlite") {
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).unwrap();
    }
    let mut connection = installation.database.connect().await;
    sqlx::migrate!("src/store/migrations").run_to(1, &mut connection).await.unwrap();
    connection.close().await.unwrap();

    let der = rsa_key(0);
    let key = SigningKey::from_der(der, SigningAlgorithm::Rs256).unwrap();
    let kid = key.kid().to_owned();
    let sealing_key = SealingKey::parse(&sealing_key_text()).unwrap();
    let purpose = Purpose { kid: &kid, algorithm: "RS256" };
    let sealed = sealing_key.seal(der.as_bytes(), &purpose, &SystemEntropy::new());
    // The id of the sealing key was in a separate column.
    let (sealing_key_id, sealed) = sealed.split_once('.').unwrap();
    let public_jwk = serde_json::to_string(key.public_jwk()).unwrap();
    let since = "2026-11-01T00:00:00Z".parse::<Timestamp>().unwrap().as_millisecond();
    assert!(since < SystemClock.now().as_millisecond());
    installation
        .database
        .execute(&format!(
            "INSERT INTO signing_keys (kid, algorithm, state, public_jwk, sealed_private, sealing_key_id,
                 created_at, published_at, activated_at)
             VALUES ('{kid}', 'RS256', 'active', '{public_jwk}', '{sealed}', '{sealing_key_id}',
                 {since}, {since}, {since})"
        ))
        .await;
    kid
}
