//! Input that well-behaved clients never send, byte by byte on the socket. Each test ends by minting a token:
//! the service must still work.

mod addresses;
mod bodies;
mod framing;
mod slow_clients;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::TestApp;

const MAX_BODY: usize = 64 * 1024;
const PREVIEW: &str = "/api/orgs/acme/runs/preview";
/// Reached only if the service hangs.
const HANG: Duration = Duration::from_mins(1);

async fn connect(app: &TestApp) -> TcpStream {
    timeout(HANG, TcpStream::connect(app.address)).await.unwrap().unwrap()
}

/// Everything received until the server closes. An answer before the last byte was accepted, or a reset after
/// it, counts as an answer.
async fn until_closed(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read) = timeout(HANG, stream.read(&mut chunk)).await.expect("the server closes") {
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&chunk[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

async fn say(app: &TestApp, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = connect(app).await;
    let _ = stream.write_all(bytes.as_ref()).await;
    until_closed(stream).await
}

/// The first answer on a connection that stays open.
async fn one_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        let read = timeout(HANG, stream.read(&mut byte)).await.expect("an answer").unwrap_or(0);
        if read == 0 {
            return String::from_utf8_lossy(&answer).into_owned();
        }
        answer.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&answer).to_lowercase();
    let length = head
        .split("content-length: ")
        .nth(1)
        .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
    let mut body = vec![0; length];
    timeout(HANG, stream.read_exact(&mut body)).await.expect("a body").unwrap();
    String::from_utf8_lossy(&[answer, body].concat()).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0)
}

fn answers(text: &str) -> usize {
    text.matches("HTTP/1.").count()
}

#[track_caller]
fn assert_problem(answer: &str, expected: u16, slug: &str) {
    assert_eq!(status(answer), expected, "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.to_lowercase().contains("content-type: application/problem+json"), "{answer}");
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["type"], format!("urn:runmint:problem:{slug}"));
}

/// The head of a request with a JSON body; the connection closes afterwards.
fn head(app: &TestApp, path: &str, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n{more}\r\n",
        app.orchestrator
    )
}

async fn post(app: &TestApp, body: impl AsRef<[u8]>) -> String {
    let body = body.as_ref();
    let length = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    say(app, [head(app, PREVIEW, &length).as_bytes(), body].concat()).await
}

fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut coded = Vec::new();
    for chunk in body.chunks(size) {
        coded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        coded.extend_from_slice(chunk);
        coded.extend_from_slice(b"\r\n");
    }
    coded.extend_from_slice(b"0\r\n\r\n");
    coded
}

fn website() -> String {
    json!({"service": "deploy", "attributes": {"project": "website", "stack": "s", "operation": "update"}})
        .to_string()
}

async fn still_mints(app: &TestApp) {
    let run = app.start_run(&json!({})).await;
    assert!(app.mint(&run, "").await.starts_with("eyJ"));
}
