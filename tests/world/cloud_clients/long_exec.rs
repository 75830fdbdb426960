//! `runmint exec` for longer than the lifetime of many tokens, by the machine's clock: a service in which a
//! minute takes 0.4 s, as in the rotation tests.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runmint::clock::SystemClock;
use serde_json::Value;

use super::client::{Client, node, python, under_exec};
use super::world::{Site, lasting, variables};
use crate::harness::{self, DEADLINE, Engine, Installation, Service, TestDatabase};
use crate::real_rotation::fast;

/// Here a token lives four seconds and is renewed halfway.
const TOKENS: usize = 20;
const BETWEEN_CALLS: Duration = Duration::from_millis(200);

/// Azure's libraries are excluded: they cache what they read for ten minutes, which cannot be shortened.
#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_under_exec_during_twenty_tokens_and_a_rotation() {
    let files = tempfile::tempdir().unwrap();
    let database = TestDatabase::create(Engine::Sqlite, files.path()).await;
    let (site, _service) = start(database).await;
    // Five minutes are two seconds here.
    site.clouds.aws.tolerate(lasting(2));
    site.clouds.aws.sessions.live_for(lasting(60));
    site.clouds.google.sessions.live_for(lasting(60));
    let whoami = format!("{}/whoami", site.clouds.google_url());
    let environment = [site.for_exec(), variables(&[("WHOAMI_URL", &whoami)])].concat();
    let mut clients = [
        Client::start(under_exec(&site.aws_flags(), &python("boto3")), &environment),
        Client::start(under_exec(&site.aws_flags(), &node("client-sts")), &environment),
        Client::start(under_exec(&site.google_flags(), &python("google-auth")), &environment),
    ];
    let (aws, google) = (&site.clouds.aws.sessions, &site.clouds.google.sessions);
    let mut pace = tokio::time::interval(BETWEEN_CALLS);
    let (began, mut calls) = (Instant::now(), 0);
    // Two clients share the tokens presented to AWS.
    while aws.tokens() < 2 * TOKENS || google.tokens() < TOKENS || aws.key_ids() < 2 || google.key_ids() < 2 {
        assert!(began.elapsed() < 2 * DEADLINE, "so many tokens and keys never came");
        pace.tick().await;
        for client in &mut clients {
            let called = client.call();
            assert!(called.is_ok(), "call {calls} after {:?}: {called:?}", began.elapsed());
            calls += 1;
        }
    }
    eprintln!(
        "counted: exec: {calls} calls, none failed; {} tokens to AWS, {} to Google, signed with {} keys; {:?}",
        aws.tokens(),
        google.tokens(),
        aws.key_ids(),
        began.elapsed()
    );
    for client in clients {
        assert_eq!(client.end(), Some(0));
    }
}

/// The real program serving HTTPS, and the clouds that trust it.
async fn start(database: TestDatabase) -> (Site, Running) {
    let port = free_port();
    let base_url = format!("https://127.0.0.1:{port}");
    let settings = format!("{}dev_tls = true\ndev_tls_dir = 'tls'\n", fast::settings());
    let installation = Installation::behind(&format!("{base_url}/oidc"), database)
        .configure(&settings)
        .variable("RUNMINT_TEST_TIME_SCALE", &fast::DIVISOR.to_string());
    let file = installation.path("runmint.toml");
    let written = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, written.replace("127.0.0.1:0'", &format!("127.0.0.1:{port}'"))).unwrap();
    let (admin, service) = tokio::task::block_in_place(|| {
        let admin = installation.init(&[]).expect("the first one");
        (admin, installation.serve())
    });
    let ca_file = installation.path("tls/ca.pem").display().to_string();
    let environment = variables(&[
        ("RUNMINT_URL", &base_url),
        ("RUNMINT_ACCESS_TOKEN", &admin),
        ("RUNMINT_CA_FILE", &ca_file),
    ]);
    let command = async |arguments: &[&str]| -> Value {
        let arguments = [arguments, &["--output", "json"]].concat();
        harness::run(environment.clone(), &arguments, "").await.json()
    };
    command(&["org", "create", "acme"]).await;
    let attributes = ["project=website", "stack=staging", "operation=update"];
    let run = command(&[&["run", "start", "--org", "acme"][..], &attributes].concat()).await;
    let issuer = format!("{base_url}/oidc");
    let site = Site::new(Arc::new(SystemClock), &issuer, installation.folder(), run).await;
    (site, Running { _service: service, _installation: installation })
}

/// Stops the process when dropped, before its folder is removed.
struct Running {
    _service: Service,
    _installation: Installation,
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
