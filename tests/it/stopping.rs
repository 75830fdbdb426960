//! SIGTERM and Ctrl-C: work in progress is not lost, and nothing delays the end.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::harness::{
    DEADLINE, Engine, Installation, Service, eventually, installed_on_both_engines, request_path,
};

installed_on_both_engines![
    requests_in_flight_are_finished_and_new_ones_refused,
    a_request_that_never_ends_is_cut_off,
    a_hanging_database_does_not_delay_the_exit,
    every_sent_token_is_recorded_whichever_signal_arrives,
];

const BURST: usize = 20;

async fn requests_in_flight_are_finished_and_new_ones_refused(installation: Installation) {
    let admin = installation.init(&[]).unwrap();
    let service = installation.serve();
    let run = service.first_run(&admin).await;
    let body = json!({"name": "half-sent"}).to_string();
    let mut half_sent = open(&service).await;
    half_sent.write_all(&post_orgs(&admin, &body)[..]).await.unwrap();
    half_sent.write_all(&body.as_bytes()[..5]).await.unwrap();

    // While the table is locked no token can be recorded, so the burst stays in flight for as long as needed.
    let lock = lock(&installation, "id_tokens").await;
    let mut burst = Vec::new();
    for _ in 0..BURST {
        let mut stream = open(&service).await;
        stream.write_all(&mint(&run)).await.unwrap();
        burst.push(stream);
    }
    taken_in(&service, BURST + 1).await;
    service.process.signal("TERM");
    eventually("new connections are refused", async || {
        TcpStream::connect(service.address).await.is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
    })
    .await;
    lock.close().await.unwrap();
    half_sent.write_all(&body.as_bytes()[5..]).await.unwrap();

    let mut received = Vec::new();
    for stream in burst {
        let (status, answer) = answer(stream).await;
        assert_eq!(status, 200, "{answer}");
        received.push(jti(answer["value"].as_str().unwrap()));
    }
    let (status, created) = answer(half_sent).await;
    assert_eq!((status, &created["name"]), (201, &json!("half-sent")));
    let exited = service.process.wait().ok();
    assert!(exited.stderr.trim_end().ends_with("stopped"), "{}", exited.stderr);
    assert_recorded(&installation, &received).await;
    assert_eq!(count(&installation, "SELECT COUNT(*) FROM organizations WHERE name = 'half-sent'").await, 1);
}

async fn a_request_that_never_ends_is_cut_off(installation: Installation) {
    let installation = installation.configure("shutdown_timeout = '1s'\nbody_timeout = '10m'");
    let admin = installation.init(&[]).unwrap();
    let service = installation.serve();
    let mut never = open(&service).await;
    never.write_all(&post_orgs(&admin, "{ and never more")[..]).await.unwrap();
    taken_in(&service, 1).await;
    let told = Instant::now();
    let exited = service.stop("TERM").ok();
    assert!(told.elapsed() >= Duration::from_secs(1), "it was given its time");
    assert!(exited.stderr.contains("cut_off=1"), "{}", exited.stderr);
    let mut rest = Vec::new();
    let _ = never.read_to_end(&mut rest).await;
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
}

async fn a_hanging_database_does_not_delay_the_exit(installation: Installation) {
    let installation = installation.configure("shutdown_timeout = '1s'\nrequest_timeout = '10m'");
    let admin = installation.init(&[]).unwrap();
    let service = installation.serve();
    service.get(&admin, "/api/orgs").await.ok();
    let lock = lock(&installation, "organizations").await;
    let mut stuck = open(&service).await;
    let body = json!({"name": "stuck"}).to_string();
    stuck.write_all(&[&post_orgs(&admin, &body)[..], body.as_bytes()].concat()).await.unwrap();
    taken_in(&service, 1).await;
    service.stop("TERM").ok();
    lock.close().await.unwrap();
    assert_eq!(count(&installation, "SELECT COUNT(*) FROM organizations").await, 0);
}

async fn every_sent_token_is_recorded_whichever_signal_arrives(installation: Installation) {
    let admin = installation.init(&[]).unwrap();
    let mut received = Vec::new();
    for (signal, org) in [("TERM", "one"), ("INT", "two")] {
        let service = installation.serve();
        service.post(&admin, "/api/orgs", &json!({"name": org})).await.ok();
        let runs = format!("/api/orgs/{org}/runs");
        let run = Arc::new(service.post(&admin, &runs, &Service::run()).await.ok());
        let (tokens, mut minted) = mpsc::unbounded_channel();
        for _ in 0..8 {
            let (tokens, run) = (tokens.clone(), Arc::clone(&run));
            let url = format!("http://{}{}", service.address, request_path(&run));
            tokio::spawn(async move {
                let http = reqwest::Client::builder().no_proxy().build().unwrap();
                let ask = || http.get(&url).bearer_auth(run["request_token"].as_str().unwrap()).send();
                // Until the service is gone. Every answer before that is a token.
                while let Ok(answer) = ask().await {
                    assert_eq!(answer.status(), StatusCode::OK);
                    let Ok(answer) = answer.json::<Value>().await else { break };
                    tokens.send(jti(answer["value"].as_str().unwrap())).unwrap();
                }
            });
        }
        drop(tokens);
        for _ in 0..40 {
            received.push(minted.recv().await.expect("they mint"));
        }
        service.process.signal(signal);
        service.process.wait().ok();
        while let Some(jti) = minted.recv().await {
            received.push(jti);
        }
    }
    assert_recorded(&installation, &received).await;
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_exit() {
    for tls in ["", "dev_tls = true"] {
        let settings = format!("{tls}\nshutdown_timeout = '10m'\nheader_timeout = '10m'");
        let installation = Installation::new(Engine::Sqlite).await.configure(&settings);
        installation.init(&[]);
        let service = installation.serve();
        let silent = open(&service).await;
        if tls.is_empty() {
            // An answered connection that stays open for the next request.
            service.get("", "/healthz").await.ok();
        }
        eventually("it is accepted", async || unread(&service).iter().all(|bytes| *bytes == 0)).await;
        // Fails at its deadline if the service waits for data that these clients never send.
        service.stop("TERM").ok();
        drop(silent);
    }
}

async fn open(service: &Service) -> TcpStream {
    TcpStream::connect(service.address).await.unwrap()
}

fn post_orgs(token: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /api/orgs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes()
}

fn mint(run: &Value) -> Vec<u8> {
    let (path, token) = (request_path(run), run["request_token"].as_str().unwrap());
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n").into_bytes()
}

/// The answer on a connection that the service then closes.
async fn answer(mut stream: TcpStream) -> (u16, Value) {
    let mut bytes = Vec::new();
    tokio::time::timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("it ends").unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("cut short: {text}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

/// Waits until the service has read everything sent over this many connections. It has begun whatever it has
/// read: its HTTP library reads and dispatches in one step.
async fn taken_in(service: &Service, connections: usize) {
    eventually("the requests are taken in", async || {
        let unread = unread(service);
        unread.len() > connections && unread.iter().all(|bytes| *bytes == 0)
    })
    .await;
}

/// As reported by Linux: for the listening socket the connections not yet accepted, for each accepted one the
/// bytes that the service has not read yet.
fn unread(service: &Service) -> Vec<u64> {
    let port = format!(":{:04X}", service.address.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    // 01 is ESTABLISHED, 0A is LISTEN.
    let ours = rows.filter(|row| row[1].ends_with(&port) && ["01", "0A"].contains(&row[3]));
    ours.map(|row| u64::from_str_radix(row[4].split_once(':').unwrap().1, 16).unwrap()).collect()
}

/// Blocks all writes to the table until the connection is closed.
async fn lock(installation: &Installation, table: &'static str) -> AnyConnection {
    let mut connection = installation.database.connect().await;
    let statements = if installation.database.url.starts_with("postgres") {
        vec!["BEGIN".to_owned(), format!("LOCK TABLE {table} IN EXCLUSIVE MODE")]
    } else {
        vec!["BEGIN IMMEDIATE".to_owned()]
    };
    for sql in statements {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }
    connection
}

fn jti(token: &str) -> String {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["jti"].as_str().unwrap().to_owned()
}

/// Also asserts that the database is complete: SQLite's log was merged into it and is gone.
async fn assert_recorded(installation: &Installation, received: &[String]) {
    assert!(!installation.path("runmint.db-wal").exists());
    for jti in received {
        let sql = format!("SELECT COUNT(*) FROM id_tokens WHERE jti = '{jti}'");
        assert_eq!(count(installation, &sql).await, 1, "{jti}");
    }
}

async fn count(installation: &Installation, sql: &str) -> i64 {
    installation.database.number(sql).await
}
