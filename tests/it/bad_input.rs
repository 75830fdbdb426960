//! What no well-behaved client sends, byte by byte on the socket. Each test ends with a token: whatever
//! came in, the service still does its work.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runmint::entropy::{Entropy, SystemEntropy};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Engine, Setup, TestApp};

const MAX_BODY: usize = 64 * 1024;
const PREVIEW: &str = "/api/orgs/acme/runs/preview";
/// Nothing here takes so long unless the service hangs.
const HANG: Duration = Duration::from_mins(1);

async fn connect(app: &TestApp) -> TcpStream {
    timeout(HANG, TcpStream::connect(app.address)).await.unwrap().unwrap()
}

/// Everything that comes back until the server closes. An answer before the last byte was taken, or a
/// reset after it, is an answer.
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

/// A request with a body of JSON, up to the empty line; the connection closes after it.
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

#[tokio::test]
async fn a_body_has_sixty_four_kibibytes_and_not_one_more() {
    let app = TestApp::start(Engine::Sqlite).await;
    let sized = |bytes: usize| website() + &" ".repeat(bytes - website().len());
    assert_eq!(status(&post(&app, sized(MAX_BODY)).await), 200);
    assert_problem(&post(&app, sized(MAX_BODY + 1)).await, 413, "content-too-large");
    let coding = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
    for size in [1000, MAX_BODY] {
        for (bytes, expected) in [(MAX_BODY, 200), (MAX_BODY + 1, 413), (MAX_BODY * 20, 413)] {
            let body = chunked(sized(bytes).as_bytes(), size);
            let answer = say(&app, [head(&app, PREVIEW, coding).as_bytes(), &body].concat()).await;
            assert_eq!(status(&answer), expected, "{bytes} in chunks of {size}: {answer}");
        }
    }
    // Announced is enough: nothing of it has to arrive, and nothing of it is asked for.
    for length in ["65537", "1099511627776"] {
        for expect in ["", "expect: 100-continue\r\n"] {
            let announced = format!("content-type: application/json\r\ncontent-length: {length}\r\n{expect}");
            let answer = say(&app, head(&app, PREVIEW, &announced)).await;
            assert_problem(&answer, 413, "content-too-large");
        }
    }
    let beyond = "content-type: application/json\r\ncontent-length: 18446744073709551614\r\n";
    assert!((400..500).contains(&status(&say(&app, head(&app, PREVIEW, beyond)).await)));
    still_mints(&app).await;
}

#[tokio::test]
async fn a_body_says_that_it_is_json_and_is() {
    let app = TestApp::start(Engine::Sqlite).await;
    let typed = async |line: &str| {
        let more = format!("{line}content-length: {}\r\n", website().len());
        say(&app, head(&app, PREVIEW, &more) + &website()).await
    };
    for line in [
        "content-type: application/json\r\n",
        "content-type: Application/JSON\r\n",
        "content-type: application/json; charset=utf-8\r\n",
        "content-type:application/json;charset=UTF-8\r\n",
    ] {
        assert_eq!(status(&typed(line).await), 200, "{line}");
    }
    for line in [
        "",
        "content-type: \r\n",
        "content-type: text/plain\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
        "content-type: application/jsonx\r\n",
        "content-type: text/plain; application/json\r\n",
        "content-type: application/json, text/plain\r\n",
        "content-type: application/\u{ff}json\r\n",
    ] {
        assert_problem(&typed(line).await, 415, "unsupported-media-type");
    }
    let unclosed = "[".repeat(10_000);
    let objects = "{\"a\":".repeat(10_000);
    for body in [
        &b""[..],
        b" ",
        b"{",
        b"{\"service\":\"deploy\"",
        b"{\"service\":5,",
        b"{\"surprise\":1",
        b"{'service':'deploy'}",
        b"{\"service\":\"deploy\",}",
        b"{\"service\":\"deploy\"} {}",
        b"service=deploy",
        b"\xef\xbb\xbf{}",
        b"{\"service\":\"\xff\"}",
        b"{\"surprise\":\"\xc3\x28\"}",
        b"{\"service\":\"\xed\xa0\x80\"}",
        b"\x1f\x8b\x08\x00",
        unclosed.as_bytes(),
        objects.as_bytes(),
    ] {
        assert_problem(&post(&app, body).await, 400, "bad-request");
    }
    let closed = "[".repeat(10_000) + &"]".repeat(10_000);
    let within = format!("{{\"service\":\"deploy\",\"attributes\":{{\"project\":{closed}}}}}");
    let aside = format!("{{\"surprise\":{closed}}}");
    for body in [
        "null",
        "[]",
        "\"x\"",
        "{}",
        r#"["deploy",{"project":"website","stack":"s","operation":"update"},60,null]"#,
        r#"{"service":"deploy","attributes":{},"surprise":1}"#,
        r#"{"service":"deploy","service":"deploy","attributes":{}}"#,
        r#"{"service":"\ud800","attributes":{}}"#,
        r#"{"service":"deploy","attributes":{},"ttl_seconds":1e999}"#,
        r#"{"service":"deploy","attributes":{},"ttl_seconds":99999999999999999999}"#,
        &closed,
        &within,
        &aside,
    ] {
        assert_problem(&post(&app, body).await, 422, "invalid-input");
    }
    still_mints(&app).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused_and_registers_nothing() {
    let app = TestApp::start(Engine::Sqlite).await;
    let runs = "/api/orgs/acme/runs";
    for (coding, body) in [
        (format!("content-length: {}", website().len() + 1), website().into_bytes()),
        ("transfer-encoding: chunked".into(), b"fff\r\n{\"service\"".to_vec()),
        ("transfer-encoding: chunked".into(), b"zz\r\n{}\r\n0\r\n\r\n".to_vec()),
        ("transfer-encoding: chunked".into(), b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n".to_vec()),
        ("transfer-encoding: chunked".into(), b"-2\r\n{}\r\n0\r\n\r\n".to_vec()),
        // Whole JSON, and yet not the whole body.
        ("transfer-encoding: chunked".into(), {
            let whole = website();
            format!("{:x}\r\n{whole}\r\n", whole.len()).into_bytes()
        }),
    ] {
        let more = format!("content-type: application/json\r\n{coding}\r\n");
        let mut stream = connect(&app).await;
        stream.write_all(&[head(&app, runs, &more).as_bytes(), &body].concat()).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = until_closed(stream).await;
        assert!(matches!(status(&answer), 0 | 400), "{coding}: {answer}");
    }
    assert_eq!(app.database.number("SELECT COUNT(*) FROM runs").await, 0);
    still_mints(&app).await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_the_connection_closed() {
    let app = TestApp::start(Engine::Sqlite).await;
    let get = |more: &str| format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{more}\r\n");
    let many = |count: usize| "x-a: y\r\n".repeat(count);
    assert_eq!(status(&say(&app, get("connection: close\r\n")).await), 200);
    assert_eq!(status(&say(&app, get(&format!("{}connection: close\r\n", many(90)))).await), 200);
    for request in [
        get(&format!("x-bomb: {}\r\n", "a".repeat(40 * 1024))),
        get(&many(200)),
        get(&many(5_000)),
        get(&format!("{}: x\r\n", "a".repeat(70_000))),
        format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(40 * 1024)),
        format!("GET /healthz?{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100 * 1024)),
        format!("{} / HTTP/1.1\r\nhost: x\r\n\r\n", "A".repeat(40 * 1024)),
        // Without an end.
        format!("GET /healthz HTTP/1.1\r\nx: {}", "a".repeat(1 << 20)),
        "a".repeat(1 << 20),
    ] {
        let answer = say(&app, &request).await;
        assert!(matches!(status(&answer), 0 | 400 | 414 | 431), "{answer}");
        assert!(answers(&answer) <= 1, "{answer}");
    }
    let bomb = get(&format!("x-bomb: {}\r\n", "a".repeat(40 * 1024)));
    assert_eq!(status(&say(&app, bomb).await), 431);
    assert_eq!(status(&say(&app, get(&many(200))).await), 431);
    still_mints(&app).await;
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let app = TestApp::start(Engine::Sqlite).await;
    let hello = STANDARD.decode("FgMBAAEBAAABAw==").unwrap();
    for bytes in [
        &b"GET /healthz\r\n\r\n"[..],
        b"GET /healthz HTTP/0.9\r\n\r\n",
        b"GET /healthz HTTP/3.0\r\n\r\n",
        b"GET /healthz HTTP/1.1x\r\n\r\n",
        b"GET  /healthz HTTP/1.1\r\n\r\n",
        b"GET /heal thz HTTP/1.1\r\n\r\n",
        b"GET /healthz\0 HTTP/1.1\r\n\r\n",
        b"GET\t/healthz\tHTTP/1.1\r\n\r\n",
        b"G\xffT /healthz HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nx\0y: z\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: a\r\n folded\r\n\r\n",
        b"\x00\x00\x00\x00",
        b"SSH-2.0-x\r\n\r\n",
        b"\r\n\r\n\r\n\r\nx\r\n\r\n",
        &hello,
    ] {
        let mut stream = connect(&app).await;
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = until_closed(stream).await;
        assert!(matches!(status(&answer), 0 | 400 | 505), "{:?}: {answer}", String::from_utf8_lossy(bytes));
    }
    let entropy = SystemEntropy::new();
    for length in (1..200).map(|n| n * 7) {
        let mut noise = vec![0; length];
        entropy.fill(&mut noise);
        let mut stream = connect(&app).await;
        let _ = stream.write_all(&noise).await;
        let _ = stream.shutdown().await;
        let answer = until_closed(stream).await;
        assert!(matches!(status(&answer), 0 | 400), "{noise:?}: {answer}");
    }
    still_mints(&app).await;
}

/// Two readers of one connection must agree where a request ends, or the second request of one client
/// becomes the first of another's.
#[tokio::test]
async fn a_request_with_two_ends_is_refused_or_the_last_of_its_connection() {
    let app = TestApp::start(Engine::Sqlite).await;
    let smuggled = "GET /version HTTP/1.1\r\nhost: x\r\n\r\n";
    let lengths = |more: &str| {
        format!(
            "POST {PREVIEW} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n{more}\r\n",
            app.orchestrator
        )
    };
    let body = website();
    let coded = String::from_utf8(chunked(body.as_bytes(), 1000)).unwrap();
    let size = body.len();
    for (more, sent) in [
        (format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", coded.len()), &coded),
        (format!("transfer-encoding: chunked\r\ncontent-length: {size}\r\n"), &coded),
        (format!("content-length: {size}\r\ntransfer-encoding: chunked\r\n"), &body),
        (format!("content-length: {size}\r\ncontent-length: {}\r\n", size + 9), &body),
        (format!("content-length: {size}, {}\r\n", size + 9), &body),
        (format!("content-length: +{size}\r\n"), &body),
        (format!("content-length: 0x{size:x}\r\n"), &body),
        (format!("content-length: {size}abc\r\n"), &body),
        ("content-length: -1\r\n".to_owned(), &body),
        (format!("content-length : {size}\r\n"), &body),
        ("transfer-encoding : chunked\r\n".to_owned(), &coded),
        ("transfer-encoding: xchunked\r\n".to_owned(), &coded),
        ("transfer-encoding: chunked, identity\r\n".to_owned(), &coded),
        ("transfer-encoding: identity\r\n".to_owned(), &coded),
        ("transfer-encoding: \x0bchunked\r\n".to_owned(), &coded),
        ("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n".to_owned(), &coded),
        ("transfer-encoding:\r\n chunked\r\n".to_owned(), &coded),
    ] {
        let answer = say(&app, lengths(&more) + sent + smuggled).await;
        assert!(!answer.contains("\"name\":\"runmint\""), "{more}: {answer}");
        assert!(answers(&answer) <= 1 && matches!(status(&answer), 0 | 200 | 400 | 501), "{more}: {answer}");
    }
    // HTTP/1.0 knows no chunks.
    let old = lengths("transfer-encoding: chunked\r\n").replace("HTTP/1.1", "HTTP/1.0");
    let answer = say(&app, old + &coded + smuggled).await;
    assert!(!answer.contains("\"name\":\"runmint\""), "{answer}");
    // What is left of a body that nobody reads is no request either.
    let unread = format!("content-length: {}\r\n", smuggled.len());
    let refused = lengths(&unread).replace(&app.orchestrator, "wrong") + smuggled;
    let mut stream = connect(&app).await;
    stream.write_all(refused.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = until_closed(stream).await;
    assert_eq!((answers(&answer), status(&answer)), (1, 401), "{answer}");
    // Two well-formed requests in one go are two requests.
    let both = format!("{smuggled}{}", smuggled.replace("host: x", "host: x\r\nconnection: close"));
    assert_eq!(say(&app, both).await.matches("\"name\":\"runmint\"").count(), 2);
    still_mints(&app).await;
}

#[tokio::test]
async fn no_form_of_address_changes_an_answer() {
    let app = TestApp::start(Engine::Sqlite).await;
    let body =
        |answer: &str| answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned());
    let get = async |target: &str, more: &str| {
        say(&app, format!("GET {target} HTTP/1.1\r\nconnection: close\r\n{more}\r\n")).await
    };
    let authorization = format!("authorization: Bearer {}\r\n", app.viewer);
    for path in ["/oidc/.well-known/openid-configuration", "/oidc/.well-known/jwks", "/api/orgs/acme"] {
        let plain = get(path, &format!("host: {}\r\n{authorization}", app.address)).await;
        assert_eq!(status(&plain), 200, "{plain}");
        for (origin, host) in [
            ("http://evil.example", "host: evil.example\r\n"),
            ("http://evil.example:1", "host: x\r\n"),
            ("http://user:password@evil.example", ""),
            ("", ""),
            ("", "host: \r\n"),
            ("", "host: a\r\nhost: b\r\n"),
            ("", "host: ../../x\r\n"),
            ("", "host: x/api/orgs/globex\r\n"),
            ("", "host: [::1]:99999\r\n"),
            ("", "host: evil.example\r\nx-forwarded-host: evil.example\r\nforwarded: host=evil.example\r\n"),
        ] {
            let answer = get(&format!("{origin}{path}"), &format!("{host}{authorization}")).await;
            assert_eq!((status(&answer), body(&answer)), (200, body(&plain)), "{origin}{path} {host}");
        }
    }
    let more = format!(
        "host: evil.example\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        website().len()
    );
    let started =
        say(&app, head(&app, "/api/orgs/acme/runs", &more).replace("host: x\r\n", "") + &website()).await;
    assert_eq!(status(&started), 201, "{started}");
    assert!(!started.contains("evil.example"), "{started}");
    still_mints(&app).await;
}

#[tokio::test]
async fn no_trick_in_a_path_leads_anywhere() {
    let app = TestApp::start(Engine::Sqlite).await;
    let run = app.start_run(&json!({})).await;
    let id = run["id"].as_str().unwrap();
    let long = format!("/api/orgs/{}", "a".repeat(10_000));
    let deep = "/a".repeat(5_000);
    let trailing = format!("/api/runs/{id}/");
    let up = format!("/api/orgs/globex/../../runs/{id}");
    let coded = format!("/api%2Fruns%2F{id}");
    let of_run = format!("/api/runs/{id}%2Fid-token");
    for path in [
        "//api/orgs",
        "/api//orgs",
        "/api/orgs/",
        "/api/../api/orgs",
        "/./api/orgs",
        "/api/%2e%2e/api/orgs",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/api/orgs/acme%2Fruns",
        "/api/orgs/..%2Facme",
        "/api/orgs/%2e%2e",
        "/api/orgs/..",
        "/api/orgs/acme%00",
        "/api/orgs/%ff",
        "/api/orgs/%",
        "/api/orgs/%zz",
        "/api/orgs/%u0061cme",
        "/api/orgs/acme;x=y",
        "/api/orgs/acme.json",
        "/api/orgs/ACME",
        "/api/orgs/acm%C3%A9",
        "/API/orgs",
        "/api/orgs\\acme",
        "/api/runs/%20",
        "/api/runs/00000000-0000-0000-0000-000000000000",
        "/oidc/",
        "/oidc/.well-known/jwks/",
        "/oidc/.well-known/../.well-known/jwks",
        "/oidc/%2ewell-known/jwks",
        "/",
        "*",
        "/api/orgs/{org}",
        "/:org",
        &trailing,
        &up,
        &coded,
        &of_run,
        &long,
        &deep,
    ] {
        for token in ["", &app.viewer, &app.admin] {
            for method in ["GET", "OPTIONS"] {
                let request = format!(
                    "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
                );
                let answer = say(&app, request).await;
                assert!(matches!(status(&answer), 400 | 401 | 404 | 405), "{method} {path}: {answer}");
            }
        }
    }
    // An escape that means a plain letter is that letter.
    let request = format!(
        "GET /api/orgs/%61cme HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n\r\n",
        app.viewer
    );
    assert_eq!(status(&say(&app, request).await), 200);
    for request in [
        "CONNECT evil.example:443 HTTP/1.1\r\nhost: x\r\n",
        "TRACE /healthz HTTP/1.1\r\nhost: x\r\n",
        "BREW /healthz HTTP/1.1\r\nhost: x\r\n",
    ] {
        let answer = say(&app, format!("{request}connection: close\r\n\r\n")).await;
        assert!(matches!(status(&answer), 400 | 404 | 405), "{request}: {answer}");
    }
    still_mints(&app).await;
}

#[tokio::test]
async fn a_head_that_dawdles_is_cut_off() {
    let app = Setup::new(Engine::Sqlite).config("header_timeout = '1s'").run().await;
    let half = "GET /healthz HTTP/1.1\r\nhost: x\r\n";
    for start in ["", "G", half] {
        let mut stream = connect(&app).await;
        let began = Instant::now();
        stream.write_all(start.as_bytes()).await.unwrap();
        let answer = until_closed(stream).await;
        assert!(began.elapsed() > Duration::from_millis(900), "cut after {:?}", began.elapsed());
        assert!(matches!(status(&answer), 0 | 408), "{answer}");
    }
    // A byte now and then does not buy time.
    let (mut reading, mut writing) = connect(&app).await.into_split();
    writing.write_all(half.as_bytes()).await.unwrap();
    let dribble = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        while writing.write_all(b"x-a: b\r\n").await.is_ok() {
            tick.tick().await;
        }
    });
    let mut rest = Vec::new();
    let _ = timeout(HANG, reading.read_to_end(&mut rest)).await.expect("it is cut off");
    assert!(matches!(status(&String::from_utf8_lossy(&rest)), 0 | 408));
    drop(reading);
    timeout(HANG, dribble).await.expect("its bytes are no longer taken").unwrap();
    // Nor does a first request that was in time: an idle connection is closed as well.
    let mut stream = connect(&app).await;
    stream.write_all(format!("{half}\r\n").as_bytes()).await.unwrap();
    assert_eq!(status(&one_answer(&mut stream).await), 200);
    let rest = until_closed(stream).await;
    assert!(matches!(status(&rest), 0 | 408), "{rest}");
    still_mints(&app).await;
}

#[tokio::test]
async fn a_body_that_dawdles_is_told_so_and_cut_off() {
    let app = Setup::new(Engine::Sqlite).config("body_timeout = '1s'").run().await;
    let length = format!("content-type: application/json\r\ncontent-length: {}\r\n", website().len());
    let coding = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
    for (more, start) in [(length.as_str(), ""), (length.as_str(), "{"), (coding, "1\r\n{\r\n")] {
        // The connection would be kept otherwise.
        let head = head(&app, PREVIEW, more).replace("connection: close\r\n", "");
        let answer = say(&app, head + start).await;
        assert_problem(&answer, 408, "request-timeout");
    }
    let (mut reading, mut writing) = connect(&app).await.into_split();
    let coding = head(&app, PREVIEW, coding);
    writing.write_all(coding.as_bytes()).await.unwrap();
    let dribble = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        while writing.write_all(b"1\r\n \r\n").await.is_ok() {
            tick.tick().await;
        }
    });
    let mut answer = Vec::new();
    let _ = timeout(HANG, reading.read_to_end(&mut answer)).await.expect("it is cut off");
    assert_problem(&String::from_utf8_lossy(&answer), 408, "request-timeout");
    drop(reading);
    timeout(HANG, dribble).await.expect("its bytes are no longer taken").unwrap();
    still_mints(&app).await;
}

#[tokio::test]
async fn connections_past_the_limit_are_turned_away_until_one_closes() {
    let app = Setup::new(Engine::Sqlite).config("max_connections = 4").run_detached().await;
    let request = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(&app).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(status(&one_answer(&mut stream).await), 200);
        held.push(stream);
    }
    for _ in 0..10 {
        let answer = say(&app, request).await;
        assert!(matches!(status(&answer), 0 | 503) && answers(&answer) <= 1, "{answer}");
    }
    // Those inside are not disturbed.
    for stream in &mut held {
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(status(&one_answer(stream).await), 200);
    }
    drop(held.pop());
    let closing = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let freed = timeout(HANG, async { while status(&say(&app, closing).await) != 200 {} });
    freed.await.expect("the slot is free again");
}

#[tokio::test]
async fn slow_clients_delay_nobody_else() {
    let app = Setup::new(Engine::Sqlite).config("header_timeout = '30s'").run().await;
    let mut slow = Vec::new();
    for number in 0..50 {
        let mut stream = connect(&app).await;
        let start = if number % 2 == 0 {
            "GET /oidc/.well-known/jwks HTTP/1.1\r\nx:".to_owned()
        } else {
            let more = "content-type: application/json\r\ncontent-length: 1000\r\n";
            head(&app, PREVIEW, more) + "{"
        };
        stream.write_all(start.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    for _ in 0..20 {
        app.get("", "/oidc/.well-known/openid-configuration").await.ok();
        still_mints(&app).await;
        for stream in &mut slow {
            stream.write_all(b"a").await.unwrap();
        }
    }
    // All that happened while every one of them was still being waited for.
    for stream in &slow {
        let nothing = stream.try_read(&mut [0; 1]).unwrap_err();
        assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[tokio::test]
async fn a_credential_of_odd_bytes_is_as_good_as_none() {
    let app = TestApp::start(Engine::Sqlite).await;
    let mut expected = String::new();
    for value in [
        &b""[..],
        b"Bearer",
        b"Bearer \xff\xfe",
        b"\xff",
        b"Bearer rmat_\xc3\xa9",
        b"Bearer \t\t",
        b"Bearer rmat_' OR '1'='1",
        b"Digest username=x",
    ] {
        let request = [
            b"GET /api/orgs HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: ",
            value,
            b"\r\n\r\n",
        ];
        let answer = say(&app, request.concat()).await;
        assert_problem(&answer, 401, "unauthorized");
        let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        assert!(expected.is_empty() || body == expected);
        expected = body;
    }
    still_mints(&app).await;
}
