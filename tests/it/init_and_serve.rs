//! The first start and later starts, as an operator sees them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runmint::signing::sealing::SealingKey;
use serde_json::Value;

use crate::harness::{Engine, Installation, Process, Service, installed_on_both_engines};

installed_on_both_engines![
    init_creates_missing_parts_and_shows_the_admin_token_once,
    another_admin_token_is_created_only_on_request,
    an_uninitialized_service_does_not_start,
    a_wrong_sealing_key_stops_the_start_and_changes_nothing,
    the_sealing_key_may_come_from_the_environment,
    processes_that_start_together_agree_on_one_key,
];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn signing_keys(jwks: &Value) -> Vec<&str> {
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect()
}

async fn init_creates_missing_parts_and_shows_the_admin_token_once(installation: Installation) {
    let first = installation.run(&["init"]).ok();
    assert_eq!(first.stdout.matches("rmat_").count(), 1, "{}", first.stdout);
    assert!(first.stdout.contains(Installation::ISSUER), "{}", first.stdout);
    assert_eq!(first.stderr, "");
    assert_eq!(mode(&installation.path("keys/sealing.key")), 0o600);
    assert_eq!(mode(&installation.path("keys")), 0o700);
    let database = &installation.database;
    assert_eq!(
        database
            .number("SELECT COUNT(*) FROM signing_keys WHERE signs_from IS NOT NULL AND signs_until IS NULL")
            .await,
        1
    );

    let (sealing_key, rows) =
        (fs::read(installation.path("keys/sealing.key")).unwrap(), database.dump().await);
    let second = installation.run(&["init"]).ok();
    assert!(!second.stdout.contains("rmat_"), "{}", second.stdout);
    assert!(second.stdout.contains("--new-admin-token"), "{}", second.stdout);
    assert!(fs::read(installation.path("keys/sealing.key")).unwrap() == sealing_key);
    assert_eq!(database.dump().await, rows);
}

async fn another_admin_token_is_created_only_on_request(installation: Installation) {
    let first = installation.init(&[]).expect("the first one");
    assert_eq!(installation.init(&[]), None);
    let another = installation.init(&["--new-admin-token"]).expect("another one");
    assert_ne!(first, another);
    let service = installation.serve();
    for token in [first, another] {
        assert_eq!(
            service.get(&token, "/api/access-tokens").await.ok()["access_tokens"].as_array().unwrap().len(),
            2
        );
    }
}

async fn an_uninitialized_service_does_not_start(installation: Installation) {
    let exited = installation.run(&["serve"]);
    let line = exited.refusal(3);
    assert!(line.contains("keys/sealing.key") && line.contains("runmint init"), "{line}");
    // A half-made database must not look like one that lost its keys.
    assert!(!installation.path("runmint.db").exists());

    let with_key = installation.variable("RUNMINT_SEALING_KEY", &STANDARD.encode([7; 32]));
    let exited = with_key.run(&["serve"]);
    assert!(exited.refusal(3).contains("runmint init"), "{exited:?}");
    assert_eq!(with_key.database.number("SELECT COUNT(*) FROM signing_keys").await, 0);
}

async fn a_wrong_sealing_key_stops_the_start_and_changes_nothing(installation: Installation) {
    installation.init(&[]);
    let kid = installation.database.text("SELECT kid FROM signing_keys").await;
    let right = SealingKey::from_file(&installation.path("keys/sealing.key")).unwrap();
    let wrong = STANDARD.encode([7; 32]);
    let rows = installation.database.dump().await;
    let installation = installation.variable("RUNMINT_SEALING_KEY", &wrong);
    let wrong = SealingKey::parse(&wrong).unwrap();
    for command in [&["serve"][..], &["init"], &["init", "--new-admin-token"]] {
        let exited = installation.run(command);
        let line = exited.refusal(4);
        for part in [&kid, right.id(), wrong.id()] {
            assert!(line.contains(part), "`{part}` is not in `{line}`");
        }
    }
    assert_eq!(installation.database.dump().await, rows);
}

async fn the_sealing_key_may_come_from_the_environment(installation: Installation) {
    let installation = installation.variable("RUNMINT_SEALING_KEY", &STANDARD.encode([9; 32]));
    let admin = installation.init(&[]).unwrap();
    assert!(!installation.path("keys").exists());
    let service = installation.serve();
    let run = service.first_run(&admin).await;
    service.ask(&run).await.ok();
}

async fn processes_that_start_together_agree_on_one_key(installation: Installation) {
    let inits: Vec<Process> = (0..4).map(|_| installation.start(&["init", "--output", "json"])).collect();
    let printed: Vec<Value> =
        inits.into_iter().map(|init| serde_json::from_str(&init.wait().ok().stdout).unwrap()).collect();
    let database = &installation.database;
    assert_eq!(database.number("SELECT COUNT(*) FROM signing_keys").await, 1);
    let kid = database.text("SELECT kid FROM signing_keys").await;
    for one in &printed {
        assert_eq!(one["signing_key"], kid.as_str());
    }
    // A process that finds no admin token creates one, and several may look before the first exists. Each
    // token is printed by the process that created it, so none is lost or unaccounted for.
    let admins: Vec<&str> = printed.iter().filter_map(|one| one["admin_token"].as_str()).collect();
    assert!((1..=4).contains(&admins.len()));
    assert_eq!(
        database.number("SELECT COUNT(*) FROM access_tokens").await,
        i64::try_from(admins.len()).unwrap()
    );

    let services: Vec<Process> = (0..3).map(|_| installation.start(&["serve"])).collect();
    let services: Vec<Service> = services.into_iter().map(Service::of).collect();
    for service in &services {
        let jwks = service.get("", "/oidc/.well-known/jwks").await.ok();
        assert_eq!(signing_keys(&jwks), [kid.as_str()]);
        for admin in &admins {
            service.get(admin, "/api/access-tokens").await.ok();
        }
    }
    // All processes share state: a run started at the first gets its tokens at each.
    let run = services[0].first_run(admins[0]).await;
    for service in &services {
        service.ask(&run).await.ok();
    }
}

#[tokio::test]
async fn a_sealing_key_that_others_can_read_is_refused() {
    let installation = Installation::new(Engine::Sqlite).await;
    installation.init(&[]);
    let path = installation.path("keys/sealing.key");
    for readable in [0o640, 0o604, 0o620, 0o644] {
        fs::set_permissions(&path, fs::Permissions::from_mode(readable)).unwrap();
        for command in ["serve", "init"] {
            let exited = installation.run(&[command]);
            let line = exited.refusal(4);
            assert!(line.contains("keys/sealing.key") && line.contains("chmod 600"), "{line}");
        }
    }
}

#[tokio::test]
async fn a_sealing_key_of_the_wrong_size_is_refused_without_quoting_it() {
    let installation = Installation::new(Engine::Sqlite).await;
    for wrong in ["bm90IGVub3VnaA==", "a sealing key?", ""] {
        let process = Process::start(
            installation.folder(),
            &["serve", "--config", "runmint.toml"],
            &[("RUNMINT_SEALING_KEY".into(), wrong.into())],
        );
        let exited = process.wait();
        assert!(exited.refusal(4).contains("not 32 bytes in base64"), "{exited:?}");
        assert!(wrong.is_empty() || !exited.stderr.contains(wrong), "{exited:?}");
    }
}

#[tokio::test]
async fn only_its_owner_can_read_the_database_file() {
    let installation = Installation::new(Engine::Sqlite).await;
    let admin = installation.init(&[]).unwrap();
    let service = installation.serve();
    service.first_run(&admin).await;
    for file in ["runmint.db", "runmint.db-wal", "runmint.db-shm"] {
        assert_eq!(mode(&installation.path(file)), 0o600, "{file}");
    }
}

/// Each minimum, and the verifier that would refuse valid tokens below it.
#[tokio::test]
async fn refuses_to_start_with_a_setting_that_would_break_a_verifier_and_names_it() {
    for (lines, setting, verifiers) in [
        ("serve_stale = '19s'", "serve_stale: must be at least 20s", "every verifier"),
        (
            "serve_stale = '1m'\npublish_ahead = '899s'",
            "publish_ahead: must be at least 15m",
            "AWS, Azure and Google",
        ),
        ("publish_ahead = '43530s'", "publish_ahead: must be at least 43531s", "Envoy"),
        ("keep_published = '4499s'", "keep_published: must be at least 75m", "Microsoft.IdentityModel"),
        ("token_lifetime_max = '2h'\nkeep_published = '75m'", "keep_published: must be at least 135m", "AWS"),
        ("rotate_every = '48h'", "rotate_every: must be at least 172825s", "Oracle"),
        ("max_key_age = '30d'", "max_key_age: must be at least 31d", "verifier"),
        ("[algorithms]\n'api://AzureADTokenExchange' = 'ES256'", "must be RS256", "Microsoft Entra"),
        ("[algorithms]\n'api://AzureADTokenExchangeChina' = 'ES256'", "must be RS256", "Microsoft Entra"),
        ("[algorithms]\n'sts.amazonaws.com' = 'EdDSA'", "algorithms.sts.amazonaws.com", "RS256 or ES256"),
        ("rsa_bits = 1024", "rsa_bits", "2048, 3072 or 4096"),
    ] {
        let installation = Installation::new(Engine::Sqlite).await.configure(lines);
        for command in ["serve", "init"] {
            let exited = installation.run(&[command]);
            let line = exited.refusal(3);
            assert!(line.contains(setting) && line.contains(verifiers), "{setting}, {verifiers}: {line}");
        }
    }
    // A value at its minimum is accepted.
    let lines = "serve_stale = '20s'\npublish_ahead = '15m'\nkeep_published = '75m'";
    Installation::new(Engine::Sqlite).await.configure(lines).init(&[]).unwrap();
}

#[tokio::test]
async fn refuses_to_start_with_an_invalid_setting_in_one_line() {
    let installation = Installation::new(Engine::Sqlite).await;
    for (lines, expected) in [
        ("lisen = 'x'", "runmint.toml: lisen: unknown setting; did you mean listen?"),
        ("[services.x]\nsubjekt = 'x'", "unknown field `subjekt`"),
        ("token_lifetime = 'soon'", "`soon` is not a valid duration"),
        ("max_connections = 0", "max_connections: must be between 1 and 1000000, not 0"),
        ("behind_tls_proxy = true\ndev_tls = true", "set only one"),
        ("log_level = 'loud'", "unknown variant `loud`"),
        ("scope = ", "runmint.toml:"),
    ] {
        let installation = Installation::new(Engine::Sqlite).await.configure(lines);
        for command in ["serve", "init"] {
            let exited = installation.run(&[command]);
            assert!(exited.refusal(3).contains(expected), "expected `{expected}` in {exited:?}");
        }
    }
    for (variable, value, expected) in [
        ("RUNMINT_LISEN", "x", "RUNMINT_LISEN: unknown setting; did you mean RUNMINT_LISTEN?"),
        ("RUNMINT_MAX_CONNECTIONS", "many", "RUNMINT_MAX_CONNECTIONS: expected a whole number"),
        ("RUNMINT_BEHIND_TLS_PROXY", "yes", "RUNMINT_BEHIND_TLS_PROXY: expected true or false"),
        ("RUNMINT_ISSUER", "http://id.example.com", "issuer: must be https"),
        ("RUNMINT_DATABASE_URL", "mysql://x", "database_url: must be"),
    ] {
        let environment = [(variable.to_owned(), value.to_owned())];
        let process =
            Process::start(installation.folder(), &["init", "--config", "runmint.toml"], &environment);
        let exited = process.wait();
        assert!(exited.refusal(3).contains(expected), "expected `{expected}` in {exited:?}");
    }
    for (flag, value, expected) in [
        ("--max-connections", "many", "--max-connections: expected a whole number, found `many`"),
        ("--listen", "here", "listen: must be ADDRESS:PORT"),
        ("--listen", "0.0.0.0:0", "listen: is not loopback"),
        ("--issuer", "https://id.example.com/oidc/", "issuer: "),
        ("--shutdown-timeout", "0s", "shutdown_timeout: must be between"),
        ("--database-url", "postgres://u:hunter2@h/d", "--database-url: a password on the command line"),
    ] {
        let exited = installation.run(&["serve", flag, value]);
        let line = exited.refusal(3);
        assert!(line.contains(expected) && !line.contains("hunter2"), "expected `{expected}` in {exited:?}");
    }
    let exited = Process::start(installation.folder(), &["serve", "--config", "missing.toml"], &[]).wait();
    assert!(exited.refusal(3).contains("missing.toml: "), "{exited:?}");
    // An unknown flag is a usage error; its suggestion takes more than one line.
    let exited = installation.run(&["serve", "--lisen", "x"]);
    assert_eq!(exited.code, Some(2), "{exited:?}");
    assert!(exited.stderr.contains("--listen"), "{exited:?}");
    assert!(!installation.path("keys").exists() && !installation.path("runmint.db").exists());
}

/// The error points to a line that does not parse without quoting it: it may contain a password.
#[tokio::test]
async fn a_broken_configuration_file_does_not_print_its_secrets() {
    for lines in [
        "database_url = 'postgres://u:hunter2@h/d",
        "database_url = postgres://u:hunter2@h/d",
        "database_url = ['postgres://u:hunter2@h/d']",
    ] {
        let installation = Installation::new(Engine::Sqlite).await;
        fs::write(
            installation.path("runmint.toml"),
            format!("issuer = 'https://id.example.com/oidc'\n{lines}\n"),
        )
        .unwrap();
        let exited = installation.run(&["serve"]);
        let line = exited.refusal(3);
        assert!(!line.contains("hunter2"), "{line}");
        assert!(line.contains("runmint.toml"), "{line}");
    }
}
