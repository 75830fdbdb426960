//! `runmint diagnose` and `runmint doctor`, against real and broken servers.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use insta::assert_snapshot;
use runmint::clock::{Clock, SystemClock};
use runmint::http::connections::Connections;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::harness::{Ended, Engine, Setup, TestApp, run, shown_text};

/// The text without lines that depend on the machine's clock or speed.
fn without_durations(text: &str) -> String {
    let depends = |line: &&str| line.ends_with(" ms") || line.starts_with("  exp: ");
    shown_text(text).lines().filter(|line| !depends(line)).collect::<Vec<_>>().join("\n")
}

async fn plainly(arguments: &[&str], input: &str) -> Ended {
    run(Vec::new(), arguments, input).await
}

#[tokio::test]
async fn an_error_is_explained_and_compared_with_the_token_without_showing_it() {
    let app = TestApp::start(Engine::Sqlite).await;
    let started = app.start_run(&json!({})).await;
    let token = app.mint(&started, "&audience=api://AzureADTokenExchange").await;
    let file = app.folder().join("token.jwt");
    std::fs::write(&file, &token).unwrap();
    let file = file.display().to_string();
    let text = "ERROR: AADSTS700213: No matching federated identity record found for presented assertion subject 'runmint:deploy:org:acme'. Check your…";
    let ended = plainly(&["diagnose", "--token-file", &file], text).await;
    let explained = ended.ok();
    assert!(explained.starts_with("entra-subject\n"), "{explained}");
    assert_snapshot!(without_durations(&explained), @"
    entra-subject

    No federated identity credential of this application has the token's subject. Entra compares subjects exactly and by case, without wildcards.

      sub: the refused token has `runmint:deploy:org:acme`
      sub: the given token has another value: expected `runmint:deploy:org:acme`, found `runmint:deploy:org:acme:project:website:stack:staging:operation:update:scope:write`

    Add a credential for this subject: `runmint trust azure … --stack STACK --operation OPERATION`, one for each pair, at most 20. Or leave the operation out of the subject with an audience profile.
    ");
    let signature = token.rsplit('.').next().unwrap();
    let found = plainly(&["diagnose", "--token", "-", "--output", "json", text], &token).await.json();
    assert_eq!(found["error"], "entra-subject");
    assert_eq!(found["token"]["alg"], "RS256");
    for shown in [explained, found.to_string()] {
        assert!(!shown.contains(signature) && !shown.contains(&token[..40]), "{shown}");
    }
}

/// As third-party libraries print them: `cloud_clients` compares these files with their output.
#[tokio::test]
async fn the_refusals_that_clients_print_are_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/refusals");
    let mut explained = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let expected = match name.split('-').next_back().unwrap() {
            "subject" if name.starts_with("aws") => "aws-not-authorized",
            "subject" => "entra-subject",
            "condition" => "google-condition",
            "audience" if name.starts_with("google") => "google-audience",
            "audience" => "aws-not-validated",
            other => panic!("no cloud refuses for {other}"),
        };
        let text = std::fs::read_to_string(path).unwrap();
        let found = plainly(&["diagnose", "--output", "json"], &text).await.json();
        assert_eq!(found["error"], expected, "{name}: {text}");
        explained += 1;
    }
    assert!(explained >= 10, "{explained} files");
}

#[tokio::test]
async fn an_unknown_error_is_not_guessed_at() {
    plainly(&["diagnose", "something broke"], "").await.fails(1, "this error is unknown");
    plainly(&["diagnose"], "").await.fails(1, "this error is unknown");
    plainly(&["diagnose"], &"x".repeat(300 * 1024)).await.fails(2, "longer than 262144 bytes");
    let ended = plainly(&["diagnose", "--token", "-", "AADSTS700213: x"], "rmat_not-a-jwt").await;
    assert!(!ended.stderr.contains("rmat_"), "{}", ended.stderr);
    ended.fails(2, "not a JWT");
}

async fn over_https() -> TestApp {
    Setup::new(Engine::Sqlite).config("dev_tls = true").start(SystemClock.now()).run().await
}

async fn doctor(app: &TestApp, token: Option<&str>) -> (i32, Value) {
    let authority = app.folder().join("tls/ca.pem").display().to_string();
    let mut environment = vec![("RUNMINT_URL", app.base_url.clone()), ("RUNMINT_CA_FILE", authority)];
    environment.extend(token.map(|token| ("RUNMINT_ACCESS_TOKEN", token.to_owned())));
    let owned = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let ended = run(owned, &["doctor", &app.issuer, "--output", "json"], "").await;
    (ended.code, serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr)))
}

fn outcome<'r>(report: &'r Value, name: &str) -> &'r str {
    let found = report["findings"].as_array().unwrap().iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {report:#}"))["outcome"].as_str().unwrap()
}

#[tokio::test]
async fn a_healthy_local_deployment_lacks_only_a_public_address_and_authority() {
    let app = over_https().await;
    let (code, report) = doctor(&app, Some(&app.admin)).await;
    assert_eq!((code, report["outcome"].as_str()), (1, Some("warning")), "{report:#}");
    let findings = report["findings"].as_array().unwrap();
    let not_ok: Vec<&str> = findings
        .iter()
        .filter(|one| one["outcome"] != "ok")
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(not_ok, ["address", "certificate"], "{report:#}");
    for name in [
        "issuer",
        "discovery document",
        "key set caching",
        "members of keys",
        "database",
        "RS256 key",
        "processes",
    ] {
        assert_eq!(outcome(&report, name), "ok", "{name}");
    }
    // Other callers see less, which is not a fault.
    for token in [None, Some(app.viewer.as_str())] {
        let (code, report) = doctor(&app, token).await;
        assert_eq!((code, outcome(&report, "signing keys")), (1, "skipped"), "{report:#}");
    }
}

#[tokio::test]
async fn an_untrusted_certificate_hides_the_discovery_document() {
    let app = over_https().await;
    let ended = plainly(&["doctor", &format!("{}/", app.issuer)], "").await;
    assert_snapshot!(shown_text(&ended.stdout), @"
    warning  address    https://127.0.0.1:8080/oidc is on this machine only
                        Good enough for trials. Clouds need a public https address.
    warning  slash      https://127.0.0.1:8080/oidc/ ends in a slash, but the issuer does not
                        To a cloud these are two different issuers: register it without the slash.
    failure  discovery  could not reach the server: error sending request: client error (Connect): invalid peer certificate: UnknownIssuer
                        Is the host name right, the port open, and the certificate from a public authority?
    ");
    // This is reported whatever else is wrong.
    assert_snapshot!(shown_text(&ended.stdout), @"
    warning  address    https://127.0.0.1:8080/oidc is on this machine only
                        Good enough for trials. Clouds need a public https address.
    warning  slash      https://127.0.0.1:8080/oidc/ ends in a slash, but the issuer does not
                        To a cloud these are two different issuers: register it without the slash.
    failure  discovery  could not reach the server: error sending request: client error (Connect): invalid peer certificate: UnknownIssuer
                        Is the host name right, the port open, and the certificate from a public authority?
    ");
    ended.fails(2, "clouds cannot rely on");
}

/// The answer to a path, from a server with this URL.
type Answer = Box<dyn Fn(&str, &str) -> Response + Send + Sync>;

/// The answers of a broken server, and the credentials it received.
struct Broken {
    answer: Answer,
    authorizations: Mutex<Vec<String>>,
}

/// Serves until it is dropped.
struct Server {
    url: String,
    state: Arc<Broken>,
    _stop: watch::Sender<bool>,
}

/// Serves on this machine; `answer` gets the path and the server's own URL.
async fn broken(answer: impl Fn(&str, &str) -> Response + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let state = Arc::new(Broken { answer: Box::new(answer), authorizations: Mutex::new(Vec::new()) });
    let own = url.clone();
    let handler = async move |State(broken): State<Arc<Broken>>, request: Request| {
        let sent =
            request.headers().get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
        broken.authorizations.lock().unwrap().extend(sent);
        (broken.answer)(request.uri().path(), &own)
    };
    let router = Router::new().fallback(handler).with_state(state.clone());
    let (stop, stopped) = watch::channel(false);
    let connections = Connections {
        listener,
        router,
        tls: None,
        max_connections: 10,
        header_timeout: Duration::from_secs(10),
        shutdown_timeout: Duration::from_secs(1),
    };
    tokio::spawn(connections.serve(stopped));
    Server { url, state, _stop: stop }
}

fn json_answer(body: &Value) -> Response {
    (
        [(header::CACHE_CONTROL, "public, max-age=300"), (header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

fn discovery(issuer: &str, own: &str) -> Value {
    json!({
        "issuer": issuer, "jwks_uri": format!("{own}/jwks"), "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
    })
}

fn key() -> Value {
    json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k", "n": "a".repeat(342), "e": "AQAB"})
}

#[tokio::test]
async fn every_fault_is_a_failure_with_a_remedy() {
    let keys = |change: fn(&mut Value)| {
        let mut key = key();
        change(&mut key);
        Box::new(move |path: &str, own: &str| match path {
            "/jwks" => json_answer(&json!({"keys": [key]})),
            _ => json_answer(&discovery(own, own)),
        }) as Answer
    };
    let cases: Vec<(&str, Answer)> = vec![
        ("discovery", Box::new(|_, _| (StatusCode::FOUND, [(header::LOCATION, "/login")]).into_response())),
        ("discovery", Box::new(|_, _| StatusCode::NOT_FOUND.into_response())),
        ("discovery document", Box::new(|_, _| "<html>log in</html>".into_response())),
        ("discovery document", Box::new(|_, own| json_answer(&json!({"issuer": own})))),
        ("issuer", Box::new(|_, own| json_answer(&discovery(&format!("{own}/"), own)))),
        ("key set address", Box::new(|_, own| json_answer(&discovery(own, "http://keys.example.com")))),
        (
            "key set",
            Box::new(|path, own| {
                if path == "/jwks" {
                    StatusCode::FORBIDDEN.into_response()
                } else {
                    json_answer(&discovery(own, own))
                }
            }),
        ),
        (
            "keys",
            Box::new(|path, own| {
                json_answer(&if path == "/jwks" { json!({"keys": []}) } else { discovery(own, own) })
            }),
        ),
        ("members of keys", keys(|key| key["key_ops"] = json!(["verify"]))),
        ("members of keys", keys(|key| key["x5c"] = json!(["x"]))),
        ("members of keys", keys(|key| key["kid"] = Value::Null)),
    ];
    for (name, answer) in cases {
        let server = broken(answer).await;
        let ended = plainly(&["doctor", &server.url, "--output", "json"], "").await;
        let report: Value =
            serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
        assert_eq!((ended.code, outcome(&report, name)), (2, "failure"), "{name} {report:#}");
        let failures =
            report["findings"].as_array().unwrap().iter().filter(|one| one["outcome"] == "failure");
        assert!(failures.clone().all(|one| one["remedy"].is_string()), "{report:#}");
    }
}

#[tokio::test]
async fn a_token_is_sent_only_to_its_own_server() {
    let broken = broken(|path, own| match path {
        "/jwks" => json_answer(&json!({"keys": [key()]})),
        _ => json_answer(&discovery(own, own)),
    })
    .await;
    let with = async |server: &str| {
        let environment = [("RUNMINT_URL", server), ("RUNMINT_ACCESS_TOKEN", "rmat_secret")];
        let owned = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        run(owned, &["doctor", &broken.url], "").await
    };
    let ended = with("https://id.example.com").await;
    assert_snapshot!(without_durations(&ended.stdout), @"
    warning  address             http://127.0.0.1:8080/ is on this machine only
                                 Good enough for trials. Clouds need a public https address.
    ok       clock               the server's clock differs from this machine's by 0 s
    ok       discovery caching   max-age 300 s, without an ETag
    ok       issuer              http://127.0.0.1:8080, byte for byte
    ok       discovery document  has everything that clouds need; signs with RS256
    ok       key set caching     max-age 300 s, without an ETag
    ok       keys                1 RSA, 0 EC
    ok       members of keys     each has kid, use and alg, and no member that a cloud refuses
    skipped  readiness           http://127.0.0.1:8080/readyz does not show its checks to the outside (200 OK)
    skipped  signing keys        no access token for this server is set (RUNMINT_URL, RUNMINT_ACCESS_TOKEN)
    ");
    assert_eq!(*broken.state.authorizations.lock().unwrap(), [""; 0]);
    with(&broken.url).await;
    assert_eq!(*broken.state.authorizations.lock().unwrap(), ["Bearer rmat_secret"]);
}
