//! Slow clients, and too many of them.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::{
    HANG, PREVIEW, answers, assert_problem, connect, head, one_answer, say, status, still_mints,
    until_closed, website,
};
use crate::harness::{Engine, Setup};

#[tokio::test]
async fn a_slow_head_is_cut_off() {
    let app = Setup::new(Engine::Sqlite).config("header_timeout = '1s'").run().await;
    let half = "GET /healthz HTTP/1.1\r\nhost: x\r\n";
    let cut_off = async |start: &str| {
        let mut stream = connect(&app).await;
        let began = Instant::now();
        stream.write_all(start.as_bytes()).await.unwrap();
        let answer = until_closed(stream).await;
        assert!(began.elapsed() > Duration::from_millis(900), "cut after {:?}", began.elapsed());
        assert!(matches!(status(&answer), 0 | 408), "{answer}");
    };
    tokio::join!(cut_off(""), cut_off("G"), cut_off(half));
    // Sending a byte now and then does not extend the deadline.
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
    // A timely first request does not help either: an idle connection is closed.
    let mut stream = connect(&app).await;
    stream.write_all(format!("{half}\r\n").as_bytes()).await.unwrap();
    assert_eq!(status(&one_answer(&mut stream).await), 200);
    let rest = until_closed(stream).await;
    assert!(matches!(status(&rest), 0 | 408), "{rest}");
    still_mints(&app).await;
}

#[tokio::test]
async fn a_slow_body_is_refused_and_cut_off() {
    let app = Setup::new(Engine::Sqlite).config("body_timeout = '1s'").run().await;
    let length = format!("content-type: application/json\r\ncontent-length: {}\r\n", website().len());
    let coding = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
    let cut_off = async |more: &str, start: &str| {
        // Otherwise the connection would be kept open.
        let head = head(&app, PREVIEW, more).replace("connection: close\r\n", "");
        assert_problem(&say(&app, head + start).await, 408, "request-timeout");
    };
    tokio::join!(cut_off(&length, ""), cut_off(&length, "{"), cut_off(coding, "1\r\n{\r\n"));
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
async fn connections_over_the_limit_are_refused_until_one_closes() {
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
        assert!(answer.starts_with("HTTP/1.1 503 ") && answers(&answer) == 1, "{answer}");
        assert!(answer.contains("retry-after: 1"), "{answer}");
    }
    // Connections that are already open are not disturbed.
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
async fn slow_clients_do_not_delay_other_clients() {
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
    // All of this happened while every slow client was still connected.
    for stream in &slow {
        let nothing = stream.try_read(&mut [0; 1]).unwrap_err();
        assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_loses_its_connection() {
    let app = Setup::new(Engine::Sqlite)
        .config("max_connections = 1")
        .config("header_timeout = '1s'")
        .run_detached()
        .await;
    let mut greedy = connect(&app).await;
    let request = "GET /openapi.yaml HTTP/1.1\r\nhost: x\r\n\r\n";
    // Far more answers than the buffers of both ends hold; the client never reads any.
    let asking = async { while greedy.write_all(request.as_bytes()).await.is_ok() {} };
    timeout(HANG, asking).await.expect("it is cut off");
    let closing = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let freed = timeout(HANG, async { while status(&say(&app, closing).await) != 200 {} });
    freed.await.expect("the slot is free again");
}
