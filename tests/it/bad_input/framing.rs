//! Request heads, and where a request ends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runmint::entropy::{Entropy, SystemEntropy};
use tokio::io::AsyncWriteExt;

use super::{
    PREVIEW, answers, assert_problem, chunked, connect, say, status, still_mints, until_closed, website,
};
use crate::harness::{Engine, TestApp};

#[tokio::test]
async fn an_oversized_head_is_refused_and_closes_the_connection() {
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
        // No end of the head.
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
async fn refuses_bytes_that_are_not_http() {
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

/// Two parsers of one connection must agree on where a request ends; otherwise one client's second request
/// becomes another client's first (request smuggling).
#[tokio::test]
async fn an_ambiguous_request_is_refused_or_ends_its_connection() {
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
    // HTTP/1.0 has no chunked encoding.
    let old = lengths("transfer-encoding: chunked\r\n").replace("HTTP/1.1", "HTTP/1.0");
    let answer = say(&app, old + &coded + smuggled).await;
    assert!(!answer.contains("\"name\":\"runmint\""), "{answer}");
    // The rest of an unread body is not a request either.
    let unread = format!("content-length: {}\r\n", smuggled.len());
    let refused = lengths(&unread).replace(&app.orchestrator, "wrong") + smuggled;
    let mut stream = connect(&app).await;
    stream.write_all(refused.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = until_closed(stream).await;
    assert_eq!((answers(&answer), status(&answer)), (1, 401), "{answer}");
    // Two well-formed requests in one write are two requests.
    let both = format!("{smuggled}{}", smuggled.replace("host: x", "host: x\r\nconnection: close"));
    assert_eq!(say(&app, both).await.matches("\"name\":\"runmint\"").count(), 2);
    still_mints(&app).await;
}

#[tokio::test]
async fn a_credential_of_odd_bytes_counts_as_missing() {
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
