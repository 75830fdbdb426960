//! Sealing keys come and go while the program serves, and one that is lost for good is survived.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::JwkSet;
use serde_json::{Value, json};

use crate::harness::{Installation, Service, installed_on_both_engines};

installed_on_both_engines![
    a_sealing_key_is_replaced_while_processes_serve,
    a_lost_sealing_key_is_given_up_and_nothing_of_it_is_trusted,
    with_the_right_sealing_key_nothing_is_given_up,
];

fn sealing_key(byte: u8) -> String {
    STANDARD.encode([byte; 32])
}

/// The environment of a process that seals with the one and opens with the other.
fn environment(seals: u8, opens: Option<u8>) -> Vec<(String, String)> {
    let mut environment = vec![("RUNMINT_SEALING_KEY".to_owned(), sealing_key(seals))];
    environment.extend(opens.map(|byte| ("RUNMINT_OLD_SEALING_KEYS".to_owned(), sealing_key(byte))));
    environment
}

async fn kids(service: &Service) -> Vec<String> {
    let set: JwkSet = serde_json::from_value(service.get("", "/oidc/.well-known/jwks").await.ok()).unwrap();
    set.keys.into_iter().filter_map(|key| key.common.key_id).collect()
}

async fn token(service: &Service, run: &Value) -> String {
    service.ask(run).await.ok()["value"].as_str().unwrap().to_owned()
}

fn kid_of(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

async fn a_sealing_key_is_replaced_while_processes_serve(installation: Installation) {
    let installation = installation.variable("RUNMINT_LOG_FORMAT", "json");
    let printed =
        installation.start_with(&["init", "--output", "json"], &environment(1, None)).wait().ok().stdout;
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let admin = printed["admin_token"].as_str().unwrap();
    let old = installation.serve_with(&environment(1, None));
    let run = old.first_run(admin).await;
    let kid = kid_of(&token(&old, &run).await);

    let new = installation.serve_with(&environment(2, Some(1)));
    let reseal = async |service: &Service| service.post(admin, "/api/keys/reseal", &json!({})).await;
    let detail = reseal(&new).await.problem(409, "conflict");
    assert!(detail.contains("could not open the keys at their next start"), "{detail}");
    let ended = old.stop("TERM");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let resealed = reseal(&new).await.ok();
    assert!(resealed["keys"].as_i64().unwrap() >= 1, "{resealed}");
    assert_eq!(reseal(&new).await.ok()["keys"], 0);
    assert_eq!(kid_of(&token(&new, &run).await), kid);

    let refused = installation.start_with(&["serve"], &environment(1, None)).wait();
    let line = refused.refusal(4).to_owned();
    assert!(line.contains(resealed["sealing_key"].as_str().unwrap()), "{line}");
    let alone = installation.serve_with(&environment(2, None));
    assert_eq!(kid_of(&token(&alone, &run).await), kid);
    for secret in [sealing_key(1), sealing_key(2)] {
        assert!(!refused.stderr.contains(&secret) && !new.process.log_line("resealed").contains(&secret));
    }
}

async fn a_lost_sealing_key_is_given_up_and_nothing_of_it_is_trusted(installation: Installation) {
    let admin = installation.init(&[]).unwrap();
    let service = installation.serve();
    let run = service.first_run(&admin).await;
    let lost = kid_of(&token(&service, &run).await);
    service.stop("TERM");
    fs::remove_file(installation.path("keys/sealing.key")).unwrap();
    for command in ["serve", "init"] {
        assert_ne!(installation.run(&[command]).code, Some(0), "{command}");
        assert!(!installation.path("keys/sealing.key").exists(), "{command}");
    }
    installation.run(&["init", "--abandon-lost-keys"]).ok();
    let service = installation.serve();
    let new = kid_of(&token(&service, &run).await);
    assert_ne!(new, lost);
    let published = kids(&service).await;
    assert!(published.contains(&new) && !published.contains(&lost), "{published:?}");
    let record = format!(
        "SELECT COUNT(*) FROM signing_keys WHERE kid = '{lost}' AND private_key IS NULL AND removed_at IS NOT NULL"
    );
    assert_eq!(installation.database.number(&record).await, 1, "the record keeps it");
}

async fn with_the_right_sealing_key_nothing_is_given_up(installation: Installation) {
    let admin = installation.init(&[]).unwrap();
    let service = installation.serve();
    let run = service.first_run(&admin).await;
    let kid = kid_of(&token(&service, &run).await);
    service.stop("TERM");
    installation.run(&["init", "--abandon-lost-keys"]).ok();
    assert_eq!(kid_of(&token(&installation.serve(), &run).await), kid);
}
