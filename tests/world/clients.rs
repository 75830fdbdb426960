//! Third-party clients over real HTTP and HTTPS. `scripts/install-clients` installs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use runmint::clock::{Clock, SystemClock};
use runmint::signing::signing_key::SigningKey;
use serde_json::{Value, json};

use crate::harness::{Engine, Setup, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn python_clients_over_http() {
    python_check(Setup::new(Engine::Sqlite)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_clients_over_https() {
    python_check(Setup::new(Engine::Postgres).config("dev_tls = true")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_clients_over_http() {
    node_check(Setup::new(Engine::Postgres)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_clients_over_https() {
    node_check(Setup::new(Engine::Sqlite).config("dev_tls = true")).await;
}

/// Runs Schemathesis against the served contract.
#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_on_sqlite() {
    contract(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_on_postgres() {
    contract(Engine::Postgres).await;
}

async fn contract(engine: Engine) {
    // It acts as its own trusted issuer.
    let app = Setup::new(engine).start(SystemClock.now()).config("trust_plain_http = true").run().await;
    let mut command = python("contract.py");
    command.arg(&app.base_url).env("RUNMINT_ACCESS_TOKEN", &app.admin);
    run(command).await;
}

async fn python_check(setup: Setup) {
    let app = setup.start(two_hours_ago()).run().await;
    let mut command = python("check.py");
    command.arg(write_cases(&app).await);
    run(command).await;
}

async fn node_check(setup: Setup) {
    let app = setup.start(two_hours_ago()).run().await;
    let mut command = Command::new("node");
    command.arg(root().join("tests/clients/node/check.mjs")).arg(write_cases(&app).await);
    if let Some(ca_file) = ca_file(&app) {
        command.env("NODE_EXTRA_CA_CERTS", ca_file);
    }
    run(command).await;
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn python(script: &str) -> Command {
    let interpreter = root().join("target/clients/venv/bin/python");
    assert!(interpreter.exists(), "the test clients are not installed: run scripts/install-clients");
    let mut command = Command::new(interpreter);
    command.arg(root().join("tests/clients/python").join(script));
    command
}

/// Runs the command to its end without blocking the service, and asserts success.
async fn run(mut command: Command) {
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.expect("the client starts; scripts/install-clients installs what it needs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{out}{err}");
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
}

fn ca_file(app: &TestApp) -> Option<PathBuf> {
    app.base_url.starts_with("https").then(|| app.folder().join("tls/ca.pem"))
}

/// The time at which the first token of `write_cases` was valid.
fn two_hours_ago() -> Timestamp {
    SystemClock.now() - SignedDuration::from_hours(2)
}

/// The tokens that every client is shown: one valid token, and one for each possible defect.
async fn write_cases(app: &TestApp) -> PathBuf {
    let long_ago = app.start_run(&json!({})).await;
    let expired = app.mint(&long_ago, "").await;
    app.clock.set(SystemClock.now());
    let run = app.start_run(&json!({})).await;
    let good = app.mint(&run, "").await;
    let cases = json!({
        "issuer": app.issuer,
        "ca_file": ca_file(app),
        "audience": "acme",
        "subject": run["subject"],
        "request_url": run["request_url"],
        "request_token": run["request_token"],
        "tokens": {
            "expired": expired,
            "tampered": with_claim(&good, "stack", "prod"),
            "wrong_issuer": resigned(app, &good, "https://issuer.example.com/oidc"),
            "good": good,
        },
    });
    let path = app.folder().join("cases.json");
    std::fs::write(&path, cases.to_string()).unwrap();
    path
}

fn payload(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The token with one claim changed and its original signature.
fn with_claim(token: &str, claim: &str, value: &str) -> String {
    let [header, _, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let mut claims = payload(token);
    claims[claim] = value.into();
    format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// The token as another issuer's, but signed with our key.
fn resigned(app: &TestApp, token: &str, issuer: &str) -> String {
    let mut claims = payload(token);
    claims["iss"] = issuer.into();
    let key: std::sync::Arc<SigningKey> = app.signing_key();
    key.sign(key.signing_input(&claims).unwrap()).unwrap()
}
