//! Secrets appear only where they must: never in the log, on a command line or at rest.
//!
//! A search that finds nothing proves little by itself. `every_form_of_a_secret_is_found` plants secrets, and
//! each search below was seen to fail, on both engines, with a deliberate leak in the program:
//!
//! - the log: the headers in `http::id_token::mint`; the URI in `http::router::finish`; the bytes in
//!   `UnreadBody::json`; the secret in `create_access_token`; a signed token, and its signature alone, in
//!   `mint_id_token`; the text in `SealingKey::from_file`; the URL of the database in `cli::serve` and, where
//!   connecting fails, in `open_postgres`;
//! - the command line: `--subject-prefix` with the password;
//! - rows and files: no hashing in `secret::hash`; a new access token as its own name; the request token as
//!   the caller in a token's record; no encryption in `SealingKey::seal`.

use std::fmt::Write as _;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Method;
use rsa::RsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PrivateKeyParts;
use runmint::entropy::SystemEntropy;
use runmint::opaque_token::{OpaqueToken, TokenKind};
use runmint::signing::sealing::{Purpose, SealingKey, SealingKeys};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Installation, Process, Service, installed_on_both_engines, request_path};

installed_on_both_engines![
    no_secret_is_in_the_log_or_on_the_command_line,
    no_secret_is_stored_at_rest,
    a_start_that_fails_shows_no_secret,
];

const PASSWORD: &str = "Tr0ub4dor-and-3";

/// The secrets to search for, each with a name that may be printed.
#[derive(Default)]
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn text(&mut self, name: &str, value: &str) {
        assert!(value.len() >= 8, "{name} could be found by chance");
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// The text of this member, recorded as a secret.
    fn member(&mut self, name: &str, object: &Value) -> String {
        let value = object[name].as_str().unwrap_or_else(|| panic!("no {name}")).to_owned();
        self.text(name, &value);
        value
    }

    /// A signed token. Its payload alone is a leak; its header is the same in every token and not secret.
    fn jwt(&mut self, token: &str) {
        let mut parts = token.split('.').skip(1);
        self.text("payload of an ID token", parts.next().unwrap());
        self.text("signature of an ID token", parts.next().unwrap());
    }

    /// Bytes, in every form in which they might be written. Any contiguous copy contains at least one 16-byte
    /// piece.
    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        for piece in bytes.chunks_exact(16) {
            let hex = hex(piece);
            self.text(name, &latin1(piece));
            self.text(name, &hex.to_uppercase());
            self.text(name, &hex);
            self.text(name, format!("{piece:?}").trim_matches(['[', ']']));
        }
        // base64 depends on the offset of the bytes in the text: three forms, without the characters at the
        // edges that depend on neighbouring bytes.
        for skip in 0..3.min(bytes.len()) {
            for encoded in [STANDARD.encode(&bytes[skip..]), URL_SAFE_NO_PAD.encode(&bytes[skip..])] {
                let whole = encoded.trim_end_matches('=');
                for piece in whole.as_bytes()[..whole.len() - 1].chunks_exact(20) {
                    self.text(name, std::str::from_utf8(piece).unwrap());
                }
            }
        }
    }

    /// The names of those found in `content`.
    fn found_in(&self, content: &[u8]) -> Vec<&str> {
        let content = latin1(content);
        self.0.iter().filter(|(_, value)| content.contains(value)).map(|(name, _)| name.as_str()).collect()
    }

    #[track_caller]
    fn assert_not_in(&self, place: &str, content: &[u8]) {
        assert_eq!(self.found_in(content), Vec::<&str>::new(), "in {place}");
    }
}

/// Bytes as characters, one for one, so that text and binary data are searched alike.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in bytes {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}

#[test]
fn every_form_of_a_secret_is_found() {
    let mut secrets = Secrets::default();
    secrets.text("password", PASSWORD);
    let key: Vec<u8> = (0..128).map(|n: u8| n.wrapping_mul(37)).collect();
    secrets.bytes("key", &key);
    assert!(secrets.found_in(b"postgres://u@h/d and key").is_empty());
    assert_eq!(secrets.found_in(format!("postgres://u:{PASSWORD}@h/d").as_bytes()), ["password"]);
    for before in [&b""[..], b"x", b"xy", b"xyz"] {
        let content = [before, &key[..64], b"\xff\xfe"].concat();
        let hex = hex(&content);
        for written in [
            content.clone(),
            hex.to_uppercase().into_bytes(),
            hex.into_bytes(),
            format!("{content:?}").into_bytes(),
            STANDARD.encode(&content).into_bytes(),
            URL_SAFE_NO_PAD.encode(&content).into_bytes(),
        ] {
            assert!(secrets.found_in(&written).contains(&"key"), "{}", latin1(&written));
        }
    }
}

/// A database that requires a password, and the most verbose log.
fn talkative(mut installation: Installation, format: &str) -> Installation {
    let with_password = format!("postgres://runmint:{PASSWORD}@");
    installation.database.url = installation.database.url.replace("postgres://runmint@", &with_password);
    installation.configure(&format!("log_level = 'trace'\nlog_format = '{format}'"))
}

async fn no_secret_is_in_the_log_or_on_the_command_line(installation: Installation) {
    let mut secrets = Secrets::default();
    secrets.text("database password", PASSWORD);
    let installation = talkative(installation, "text");
    let first = installation.run(&["init", "--output", "json"]).ok();
    let printed: Value = serde_json::from_str(&first.stdout).unwrap();
    let admin = secrets.member("admin_token", &printed);
    note_sealing_key(&installation, &mut secrets);
    secrets.assert_not_in("init's standard error", first.stderr.as_bytes());

    let mut installation = installation;
    for (format, org) in [("text", "acme"), ("json", "beta")] {
        installation = talkative(installation, format);
        let service = installation.serve();
        live(&installation, &service, &admin, org, &mut secrets).await;
        let command_line = fs::read(format!("/proc/{}/cmdline", service.process.id())).unwrap();
        secrets.assert_not_in("the command line", &command_line);
        assert!(latin1(&command_line).contains("serve"));
        let exited = service.stop("TERM").ok();
        for expected in [
            "serving",
            "organization created",
            "access token created",
            "run started",
            "run ended",
            "token refused: the run has ended",
            "access token revoked",
            "organization deleted",
            "tokens refused: they could not be recorded",
            "database failure",
            "internal error",
            "connection ended early",
            "stopped",
        ] {
            assert!(exited.stderr.contains(expected), "no `{expected}` in the log:\n{}", exited.stderr);
        }
        secrets.assert_not_in("the log", exited.stderr.as_bytes());
        assert_eq!(exited.stdout, "");
    }
}

async fn no_secret_is_stored_at_rest(installation: Installation) {
    let mut secrets = Secrets::default();
    let admin = installation.init(&[]).unwrap();
    secrets.text("admin_token", &admin);
    note_sealing_key(&installation, &mut secrets);
    note_private_key(&installation, &mut secrets).await;
    let service = installation.serve();
    live(&installation, &service, &admin, "acme", &mut secrets).await;

    let rows = installation.database.dump().await;
    // Checks that the search looks in the right place: every stored hash is there.
    let hash = OpaqueToken::recognise(TokenKind::AccessToken, &admin).unwrap();
    assert!(rows.contains(hash.as_str()), "{rows}");
    secrets.assert_not_in("the rows", rows.as_bytes());
    if !installation.database.url.starts_with("postgres") {
        for file in ["runmint.db", "runmint.db-wal", "runmint.db-shm"] {
            let content = fs::read(installation.path(file)).unwrap();
            assert!(!content.is_empty(), "{file}");
            secrets.assert_not_in(file, &content);
        }
    }
    service.stop("TERM").ok();
    // Every file except the one that holds the secret on purpose.
    let files = fs::read_dir(installation.folder()).unwrap().map(|file| file.unwrap().path());
    for file in files.filter(|path| path.is_file()) {
        secrets.assert_not_in(&file.display().to_string(), &fs::read(&file).unwrap());
    }
}

async fn a_start_that_fails_shows_no_secret(installation: Installation) {
    let mut secrets = Secrets::default();
    secrets.text("database password", PASSWORD);
    let sealing_key = STANDARD.encode([0xa7; 32]);
    secrets.text("sealing key", &sealing_key);
    let installation = talkative(installation, "text");
    installation.init(&[]);
    for (variable, value) in [
        ("RUNMINT_DATABASE_URL", format!("postgres://runmint:{PASSWORD}@127.0.0.1:1/d")),
        ("RUNMINT_DATABASE_URL", format!("postgres://runmint:{PASSWORD}@[nonsense/d")),
        ("RUNMINT_DATABASE_URL", format!("postgres://runmint:{PASSWORD}@127.0.0.1:port/d")),
        ("RUNMINT_DATABASE_URL", format!("postgres://runmint@127.0.0.1:1/d?password={PASSWORD}&sslmode=x")),
        ("RUNMINT_DATABASE_URL", format!("mysql://runmint:{PASSWORD}@127.0.0.1/d")),
        ("RUNMINT_SEALING_KEY", sealing_key.clone()),
        ("RUNMINT_SEALING_KEY", format!("{sealing_key}x")),
        ("RUNMINT_SEALINGKEY", sealing_key.clone()),
    ] {
        let arguments = ["serve", "--config", "runmint.toml"];
        let environment = [(variable.to_owned(), value.clone())];
        let exited = Process::start(installation.folder(), &arguments, &environment).wait();
        assert!(matches!(exited.code, Some(1 | 3 | 4)), "{exited:?}");
        assert_eq!(exited.stdout, "");
        assert!(exited.stderr.contains("runmint: "), "{exited:?}");
        secrets.assert_not_in(&format!("what {variable} brought about"), exited.stderr.as_bytes());
    }
}

fn note_sealing_key(installation: &Installation, secrets: &mut Secrets) {
    let text = fs::read_to_string(installation.path("keys/sealing.key")).unwrap();
    secrets.text("sealing key", text.trim().trim_end_matches('='));
    secrets.bytes("sealing key", &STANDARD.decode(text.trim()).unwrap());
}

/// The secret parts of the signing key; its modulus and exponent are published.
async fn note_private_key(installation: &Installation, secrets: &mut Secrets) {
    let column = async |name: &str| {
        let active = "WHERE signs_from IS NOT NULL AND signs_until IS NULL";
        installation.database.text(&format!("SELECT {name} FROM signing_keys {active}")).await
    };
    let sealing_key = SealingKey::from_file(&installation.path("keys/sealing.key")).unwrap();
    let sealed = column("private_key").await;
    let kid = column("kid").await;
    let der = SealingKeys::new(sealing_key, Vec::new())
        .open(&sealed, &Purpose { kid: &kid, algorithm: "RS256" })
        .unwrap();
    let key = RsaPrivateKey::from_pkcs8_der(&der).unwrap();
    secrets.bytes("private exponent", &key.d().to_bytes_be());
    for prime in key.primes() {
        secrets.bytes("prime", &prime.to_bytes_be());
    }
    secrets.bytes("head of PKCS #8", &der[..32]);
}

/// A complete life: every credential issued, every client error, and a database that fails now and then.
/// Records every secret that was issued or sent.
async fn live(installation: &Installation, service: &Service, admin: &str, org: &str, secrets: &mut Secrets) {
    service.post(admin, "/api/orgs", &json!({"name": org})).await.ok();
    let mut tokens = Vec::new();
    for role in ["owner", "orchestrator", "viewer"] {
        let path = format!("/api/orgs/{org}/access-tokens");
        let made = service.post(admin, &path, &json!({"name": role, "role": role})).await.ok();
        tokens.push((secrets.member("access_token", &made), made["id"].as_str().unwrap().to_owned()));
    }
    let made = service.post(admin, "/api/access-tokens", &json!({"name": "second"})).await.ok();
    secrets.member("access_token", &made);
    let orchestrator = tokens[1].0.clone();

    let runs = format!("/api/orgs/{org}/runs");
    let mut started = Vec::new();
    for _ in 0..3 {
        let mut body = Service::run();
        body["audiences"] = json!([org, "vault"]);
        let run = service.post(&orchestrator, &runs, &body).await.ok();
        secrets.member("request_token", &run);
        mint(service, &run, secrets).await;
        started.push(run);
    }
    let (run, id) = (&started[0], started[0]["id"].as_str().unwrap());

    send_secrets_where_they_do_not_belong(service, &orchestrator, org, run, secrets).await;
    break_the_database(installation, service, &orchestrator, org, run).await;
    mint(service, run, secrets).await;

    service.post(&orchestrator, &format!("/api/runs/{id}/finish"), &Value::Null).await.ok();
    let other = started[1]["id"].as_str().unwrap();
    service.post(&orchestrator, &format!("/api/runs/{other}/cancel"), &Value::Null).await.ok();
    for run in &started[..2] {
        service.ask(run).await.problem(403, "run-ended");
    }
    let (viewer, viewer_id) = &tokens[2];
    assert_eq!(
        service
            .send(Method::DELETE, admin, &format!("/api/access-tokens/{viewer_id}"), &Value::Null)
            .await
            .status,
        204
    );
    service.get(viewer, &runs).await.problem(401, "unauthorized");
    assert_eq!(
        service.send(Method::DELETE, admin, &format!("/api/orgs/{org}"), &Value::Null).await.status,
        204
    );
    service.ask(&started[2]).await.problem(403, "run-ended");
}

async fn mint(service: &Service, run: &Value, secrets: &mut Secrets) {
    secrets.jwt(service.ask(run).await.ok()["value"].as_str().unwrap());
}

async fn send_secrets_where_they_do_not_belong(
    service: &Service,
    orchestrator: &str,
    org: &str,
    run: &Value,
    secrets: &mut Secrets,
) {
    let runs = format!("/api/orgs/{org}/runs");
    let (path, request_token) = (request_path(run), run["request_token"].as_str().unwrap());
    let wrong = |kind| OpaqueToken::generate(kind, &SystemEntropy::new()).expose().to_owned();
    let (wrong_access, wrong_request) = (wrong(TokenKind::AccessToken), wrong(TokenKind::RunRequestToken));
    secrets.text("a well-formed access token of nobody", &wrong_access);
    secrets.text("a well-formed request token of nobody", &wrong_request);
    secrets.text("a password", "correct-horse-battery");
    for credential in [&wrong_access, &wrong_request, "correct-horse-battery", request_token] {
        service.get(credential, &runs).await.problem(401, "unauthorized");
    }
    for credential in [&wrong_access, &wrong_request, "correct-horse-battery", orchestrator] {
        service.get(credential, path).await.problem(401, "unauthorized");
    }
    for secret in [request_token, orchestrator] {
        for path in [
            format!("{path}&token={secret}"),
            format!("{path}&audience={secret}"),
            format!("{path}&{secret}"),
            format!("/api/runs/{secret}/id-token?api-version=1"),
        ] {
            assert!(service.get(request_token, &path).await.status.is_client_error(), "{path}");
        }
        for path in [
            format!("{runs}?access_token={secret}"),
            format!("{runs}?cursor={secret}"),
            format!("{runs}?limit={secret}"),
            format!("/api/runs/{secret}"),
            format!("/api/orgs/{secret}"),
            format!("/{secret}"),
            format!("/oidc/.well-known/{secret}"),
            format!("/api/access-tokens/{secret}"),
        ] {
            assert!(service.get(orchestrator, &path).await.status.is_client_error(), "{path}");
        }
        let attributes = &Service::run()["attributes"];
        for body in [
            json!({"service": "deploy", "attributes": attributes, "request_token": secret}),
            json!({"service": "deploy", "attributes": attributes, secret: 1}),
            json!({"service": secret, "attributes": attributes}),
            json!({"service": "deploy", "attributes": {"token": secret}}),
            json!({"service": "deploy", "attributes": attributes, "ttl_seconds": secret}),
            json!([secret]),
            json!(secret),
        ] {
            service.post(orchestrator, &runs, &body).await.problem(422, "invalid-input");
        }
        let head = format!(
            "POST {runs} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {orchestrator}\r\ncontent-type: application/json\r\nconnection: close"
        );
        let body = format!("{{\"service\": {secret}");
        raw(service, &format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
        // Disconnects within the body.
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        stream.write_all(format!("{head}\r\ncontent-length: 999\r\n\r\n{body}").as_bytes()).await.unwrap();
        drop(stream);
        raw(service, &format!("GET {runs} HTTP/1.1\r\nhost: {secret}\r\nauthorization: Basic {secret}\r\ncookie: session={secret}\r\nuser-agent: {secret}\r\nx-forwarded-for: {secret}\r\nreferer: https://x/?{secret}\r\nconnection: close\r\n\r\n")).await;
        // Not HTTP at all.
        raw(service, &format!("{secret}\r\n\r\n")).await;
        raw(service, &format!("GET / HTTP/1.1\r\n{secret} {secret}\r\n\r\n")).await;
        raw(service, &format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", secret.repeat(2_000))).await;
    }
}

/// Sends only this and waits until the service has closed the connection.
async fn raw(service: &Service, text: &str) {
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    // The service may close before it has read everything.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

async fn break_the_database(
    installation: &Installation,
    service: &Service,
    orchestrator: &str,
    org: &str,
    run: &Value,
) {
    let runs = format!("/api/orgs/{org}/runs");
    let id = run["id"].as_str().unwrap();
    let database = &installation.database;
    database.execute("ALTER TABLE id_tokens RENAME TO hidden").await;
    service.ask(run).await.problem(503, "unavailable");
    database.execute("ALTER TABLE hidden RENAME TO id_tokens").await;

    database.execute("ALTER TABLE runs RENAME TO hidden").await;
    service.post(orchestrator, &runs, &Service::run()).await.problem(503, "unavailable");
    service.ask(run).await.problem(503, "unavailable");
    database.execute("ALTER TABLE hidden RENAME TO runs").await;

    database.execute("ALTER TABLE access_tokens RENAME TO hidden").await;
    service.get(orchestrator, &runs).await.problem(503, "unavailable");
    database.execute("ALTER TABLE hidden RENAME TO access_tokens").await;

    database.execute(&format!("UPDATE runs SET state = 'odd' WHERE id = '{id}'")).await;
    service.get(orchestrator, &format!("/api/runs/{id}")).await.problem(500, "internal");
    service.ask(run).await.problem(503, "unavailable");
    database.execute(&format!("UPDATE runs SET state = 'active' WHERE id = '{id}'")).await;
}
