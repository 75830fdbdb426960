//! The first start and later starts, as an operator sees them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use insta::assert_snapshot;
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
    let mut refusals = Vec::new();
    for readable in [0o640, 0o604, 0o620, 0o644] {
        fs::set_permissions(&path, fs::Permissions::from_mode(readable)).unwrap();
        for command in ["serve", "init"] {
            let exited = installation.run(&[command]);
            let line = exited.refusal(4);
            refusals.push(line.to_owned());
        }
    }
    assert_snapshot!(refusals.join("\n"), @"
    sealing key file keys/sealing.key is accessible to other users (mode 640); run `chmod 600 keys/sealing.key`
    sealing key file keys/sealing.key is accessible to other users (mode 640); run `chmod 600 keys/sealing.key`
    sealing key file keys/sealing.key is accessible to other users (mode 604); run `chmod 600 keys/sealing.key`
    sealing key file keys/sealing.key is accessible to other users (mode 604); run `chmod 600 keys/sealing.key`
    sealing key file keys/sealing.key is accessible to other users (mode 620); run `chmod 600 keys/sealing.key`
    sealing key file keys/sealing.key is accessible to other users (mode 620); run `chmod 600 keys/sealing.key`
    sealing key file keys/sealing.key is accessible to other users (mode 644); run `chmod 600 keys/sealing.key`
    sealing key file keys/sealing.key is accessible to other users (mode 644); run `chmod 600 keys/sealing.key`
    ");
}

#[tokio::test]
async fn a_sealing_key_of_the_wrong_size_is_refused_without_quoting_it() {
    let installation = Installation::new(Engine::Sqlite).await;
    let mut refusals = Vec::new();
    for wrong in ["bm90IGVub3VnaA==", "a sealing key?", ""] {
        let process = Process::start(
            installation.folder(),
            &["serve", "--config", "runmint.toml"],
            &[("RUNMINT_SEALING_KEY".into(), wrong.into())],
        );
        let exited = process.wait();
        refusals.push(exited.refusal(4).to_owned());
        assert!(wrong.is_empty() || !exited.stderr.contains(wrong), "{exited:?}");
    }
    assert_snapshot!(refusals.join("\n"), @"
    the sealing key is not 32 bytes in base64; create one with `openssl rand -base64 32`
    the sealing key is not 32 bytes in base64; create one with `openssl rand -base64 32`
    the sealing key is not 32 bytes in base64; create one with `openssl rand -base64 32`
    ");
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
    let mut refusals = Vec::new();
    for lines in [
        "serve_stale = '19s'",
        "serve_stale = '1m'\npublish_ahead = '899s'",
        "publish_ahead = '43530s'",
        "keep_published = '4499s'",
        "token_lifetime_max = '2h'\nkeep_published = '75m'",
        "rotate_every = '48h'",
        "max_key_age = '30d'",
        "[algorithms]\n'api://AzureADTokenExchange' = 'ES256'",
        "[algorithms]\n'api://AzureADTokenExchangeChina' = 'ES256'",
        "[algorithms]\n'sts.amazonaws.com' = 'EdDSA'",
        "rsa_bits = 1024",
    ] {
        let installation = Installation::new(Engine::Sqlite).await.configure(lines);
        let [serve, init] =
            ["serve", "init"].map(|command| installation.run(&[command]).refusal(3).to_owned());
        assert_eq!(serve, init);
        refusals.push(serve);
    }
    assert_snapshot!(refusals.join("\n"), @"
    serve_stale: must be at least 20s: a process that fails to reach the database a few times would stop serving keys to every verifier
    publish_ahead: must be at least 15m: AWS, Azure and Google were observed to take ten minutes to fetch new keys; Microsoft's libraries and Confluent fetch them at most every five
    publish_ahead: must be at least 43531s: it covers serve_stale and the max-age of the key set; a verifier that honors Cache-Control (go-oidc, Envoy, Confluent) and was answered by a process that had lost the database would not know the new key
    keep_published: must be at least 75m: it covers token_lifetime_max, five minutes of leeway and the max-age of the key set; AWS and Microsoft.IdentityModel would refuse the last tokens of the previous key
    keep_published: must be at least 135m: it covers token_lifetime_max, five minutes of leeway and the max-age of the key set; AWS and Microsoft.IdentityModel would refuse the last tokens of the previous key
    rotate_every: must be at least 172825s: it covers publish_ahead and keep_published, or a fourth key would be published; Oracle Cloud accepts ten in all, other verifiers fewer
    max_key_age: must be at least 31d: it covers rotate_every and publish_ahead, or the active key would stop signing while the next one waits for an acknowledgement, and every verifier would get no token
    algorithms.api://AzureADTokenExchange: must be RS256: Microsoft Entra verifies no other algorithm
    algorithms.api://AzureADTokenExchangeChina: must be RS256: Microsoft Entra verifies no other algorithm
    algorithms.sts.amazonaws.com: must be RS256 or ES256
    rsa_bits: must be 2048, 3072 or 4096
    ");
    // A value at its minimum is accepted.
    let lines = "serve_stale = '20s'\npublish_ahead = '15m'\nkeep_published = '75m'";
    Installation::new(Engine::Sqlite).await.configure(lines).init(&[]).unwrap();
}

#[tokio::test]
async fn refuses_to_start_with_an_invalid_setting_in_one_line() {
    let installation = Installation::new(Engine::Sqlite).await;
    let mut refusals = Vec::new();
    for lines in [
        "lisen = 'x'",
        "[services.x]\nsubjekt = 'x'",
        "token_lifetime = 'soon'",
        "max_connections = 0",
        "behind_tls_proxy = true\ndev_tls = true",
        "log_level = 'loud'",
        "scope = ",
    ] {
        let installation = Installation::new(Engine::Sqlite).await.configure(lines);
        let [serve, init] =
            ["serve", "init"].map(|command| installation.run(&[command]).refusal(3).to_owned());
        assert_eq!(serve, init);
        refusals.push(serve);
    }
    for (variable, value) in [
        ("RUNMINT_LISEN", "x"),
        ("RUNMINT_MAX_CONNECTIONS", "many"),
        ("RUNMINT_BEHIND_TLS_PROXY", "yes"),
        ("RUNMINT_ISSUER", "http://id.example.com"),
        ("RUNMINT_DATABASE_URL", "mysql://x"),
    ] {
        let environment = [(variable.to_owned(), value.to_owned())];
        let init = ["init", "--config", "runmint.toml"];
        let exited = Process::start(installation.folder(), &init, &environment).wait();
        refusals.push(exited.refusal(3).to_owned());
    }
    for (flag, value) in [
        ("--max-connections", "many"),
        ("--listen", "here"),
        ("--listen", "0.0.0.0:0"),
        ("--issuer", "https://id.example.com/oidc/"),
        ("--shutdown-timeout", "0s"),
        ("--database-url", "postgres://u:hunter2@h/d"),
    ] {
        refusals.push(installation.run(&["serve", flag, value]).refusal(3).to_owned());
    }
    let missing = Process::start(installation.folder(), &["serve", "--config", "missing.toml"], &[]).wait();
    refusals.push(missing.refusal(3).to_owned());
    let refusals = refusals.join("\n");
    assert!(!refusals.contains("hunter2"), "{refusals}");
    assert_snapshot!(refusals, @"
    runmint.toml: lisen: unknown setting; did you mean listen?
    runmint.toml: unknown field `subjekt`, expected one of `subject`, `attributes`, `derived`, `claims` in `services.x`
    runmint.toml: `soon` is not a valid duration; write 90s, 15m, 12h or 30d in `token_lifetime`
    max_connections: must be between 1 and 1000000, not 0
    tls_certificate_file, dev_tls and behind_tls_proxy: set only one of them; they cannot be combined
    runmint.toml: unknown variant `loud`, expected one of `error`, `warn`, `info`, `debug`, `trace` in `log_level`
    runmint.toml: line 4: string values must be quoted, expected literal string
    RUNMINT_LISEN: unknown setting; did you mean RUNMINT_LISTEN?
    RUNMINT_MAX_CONNECTIONS: expected a whole number, found `many`
    RUNMINT_BEHIND_TLS_PROXY: expected true or false, found `yes`
    issuer: must be https; http is accepted only on loopback (127.0.0.1, [::1] or localhost)
    database_url: must be sqlite:PATH or postgres://USER@HOST/DATABASE
    --max-connections: expected a whole number, found `many`
    listen: must be ADDRESS:PORT, such as 127.0.0.1:8080
    listen: is not loopback, so tokens would travel unencrypted: set tls_certificate_file and tls_private_key_file, or behind_tls_proxy if a proxy terminates TLS
    issuer: must not end in a slash
    shutdown_timeout: must be between 1s and 10m, not 0s
    --database-url: a password on the command line can be read by every user of the machine; use RUNMINT_DATABASE_URL or the configuration file
    could not read the configuration missing.toml: No such file or directory (os error 2)
    ");
    // An unknown flag is a usage error; its suggestion takes more than one line.
    let exited = installation.run(&["serve", "--lisen", "x"]);
    assert_eq!(exited.code, Some(2), "{exited:?}");
    assert!(exited.stderr.contains("--listen"), "{exited:?}");
    assert!(!installation.path("keys").exists() && !installation.path("runmint.db").exists());
}

/// The error points to a line that does not parse without quoting it: it may contain a password.
#[tokio::test]
async fn a_broken_configuration_file_does_not_print_its_secrets() {
    let mut refusals = Vec::new();
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
        refusals.push(line.to_owned());
    }
    assert_snapshot!(refusals.join("\n"), @"
    runmint.toml: line 2: invalid literal string, expected `'`
    runmint.toml: line 2: string values must be quoted, expected literal string
    runmint.toml: invalid type: sequence, expected a string in `database_url`
    ");
}
