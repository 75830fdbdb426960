//! Sealing keys are replaced while the program serves, and a permanently lost one is survived.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::JwkSet;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::harness::{Exited, Installation, Service, eventually, installed_on_both_engines};

installed_on_both_engines![
    a_sealing_key_is_replaced_while_processes_serve,
    giving_up_a_lost_sealing_key_trusts_nothing_sealed_with_it,
    no_key_is_given_up_if_the_sealing_key_is_right,
    no_key_is_given_up_while_a_process_serves,
    a_next_key_that_opens_replaces_a_lost_active_key,
    a_key_in_an_unconfigured_module_is_not_lost,
];

fn sealing_key(byte: u8) -> String {
    STANDARD.encode([byte; 32])
}

/// The published keys that have a private half.
async fn whole_keys(installation: &Installation) -> Vec<String> {
    let mut connection = installation.database.connect().await;
    let sql =
        "SELECT kid FROM signing_keys WHERE private_key IS NOT NULL AND removed_at IS NULL ORDER BY kid";
    let kids = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    kids
}

fn abandon(installation: &Installation, number: &str, variables: &[(String, String)]) -> Exited {
    let mut arguments = vec!["init", "--abandon-lost-keys"];
    arguments.extend((!number.is_empty()).then_some(number));
    installation.start_with(&arguments, variables).wait()
}

/// The environment of a process that seals with one key and opens with another.
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
    // A process that only opens with the new key would keep sealing keys with the old one.
    let between = installation.serve_with(&environment(1, Some(2)));
    assert_eq!(old.stop("TERM").code, Some(0));
    let detail = reseal(&new).await.problem(409, "conflict");
    assert!(detail.contains("would seal the next one under another"), "{detail}");
    let old = between;
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

async fn giving_up_a_lost_sealing_key_trusts_nothing_sealed_with_it(installation: Installation) {
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
    // The operator must confirm the exact keys before anything is given up.
    let before = whole_keys(&installation).await;
    let count = before.len();
    for number in [String::new(), (count - 1).to_string(), (count + 1).to_string()] {
        let refused = abandon(&installation, &number, &[]);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
        let command = format!("--abandon-lost-keys {count}");
        for part in before.iter().map(String::as_str).chain([
            Installation::ISSUER,
            "sealed under sealing key",
            &command,
        ]) {
            assert!(refused.stderr.contains(part), "{part} in {}", refused.stderr);
        }
        assert!(fs::read_dir(installation.path("keys")).unwrap().next().is_none());
        assert_eq!(whole_keys(&installation).await, before);
    }
    abandon(&installation, &count.to_string(), &[]).ok();
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

async fn no_key_is_given_up_if_the_sealing_key_is_right(installation: Installation) {
    let admin = installation.init(&[]).unwrap();
    let service = installation.serve();
    let run = service.first_run(&admin).await;
    let kid = kid_of(&token(&service, &run).await);
    service.stop("TERM");
    let before = whole_keys(&installation).await;
    for number in ["", "1"] {
        let refused = abandon(&installation, number, &[]);
        assert!(refused.refusal(1).contains("no signing key is lost"), "{refused:?}");
    }
    assert_eq!(whole_keys(&installation).await, before);
    assert_eq!(kid_of(&token(&installation.serve(), &run).await), kid);
}

async fn no_key_is_given_up_while_a_process_serves(installation: Installation) {
    let admin = installation.init(&[]).unwrap();
    let service = installation.serve();
    let run = service.first_run(&admin).await;
    let kid = kid_of(&token(&service, &run).await);
    let name = service.get(&admin, "/api/keys").await.ok()["replicas"][0]["name"].clone();
    // The first look creates the next key.
    eventually("there are two", async || whole_keys(&installation).await.len() == 2).await;
    let count = 2;
    // As when started in a folder without keys/, or with a wrong key in the environment.
    fs::rename(installation.path("keys"), installation.path("keys.away")).unwrap();
    for variables in [Vec::new(), environment(3, None)] {
        let refused = abandon(&installation, &count.to_string(), &variables);
        let line = refused.refusal(1);
        assert!(line.contains(name.as_str().unwrap()) && line.contains("Stop every one first"), "{line}");
    }
    assert!(!installation.path("keys").exists());
    assert_eq!(kid_of(&token(&service, &run).await), kid);
    assert_eq!(whole_keys(&installation).await.len(), count);
}

async fn a_next_key_that_opens_replaces_a_lost_active_key(installation: Installation) {
    let printed =
        installation.start_with(&["init", "--output", "json"], &environment(1, None)).wait().ok().stdout;
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let admin = printed["admin_token"].as_str().unwrap();
    // The next key is sealed with the remaining sealing key.
    let service = installation.serve_with(&environment(2, Some(1)));
    let run = service.first_run(admin).await;
    let lost = kid_of(&token(&service, &run).await);
    eventually("a next key waits", async || kids(&service).await.len() == 2).await;
    let next = kids(&service).await.into_iter().find(|kid| *kid != lost).unwrap();
    service.stop("TERM");
    abandon(&installation, "1", &environment(2, None)).ok();
    let service = installation.serve_with(&environment(2, None));
    assert_eq!(kid_of(&token(&service, &run).await), next);
}

async fn a_key_in_an_unconfigured_module_is_not_lost(installation: Installation) {
    installation.init(&[]).unwrap();
    installation.database.execute("UPDATE signing_keys SET kept_in = 'pkcs11'").await;
    for number in ["", "1"] {
        let refused = abandon(&installation, number, &[]);
        assert!(refused.refusal(1).contains("kept in pkcs11, which is not configured"), "{refused:?}");
    }
    assert_eq!(whole_keys(&installation).await.len(), 1);
}
