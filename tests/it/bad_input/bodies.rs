//! Bodies that are too large, of the wrong type, or truncated.

use tokio::io::AsyncWriteExt;

use super::{
    MAX_BODY, PREVIEW, assert_problem, chunked, connect, head, post, say, status, still_mints, until_closed,
    website,
};
use crate::harness::{Engine, TestApp};

#[tokio::test]
async fn a_body_may_have_64_kibibytes_and_not_one_byte_more() {
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
    // The announced length suffices: the server neither waits for the body nor asks for it.
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
async fn a_body_must_be_json_and_declared_as_json() {
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
async fn a_truncated_body_is_refused_and_registers_nothing() {
    let app = TestApp::start(Engine::Sqlite).await;
    let runs = "/api/orgs/acme/runs";
    for (coding, body) in [
        (format!("content-length: {}", website().len() + 1), website().into_bytes()),
        ("transfer-encoding: chunked".into(), b"fff\r\n{\"service\"".to_vec()),
        ("transfer-encoding: chunked".into(), b"zz\r\n{}\r\n0\r\n\r\n".to_vec()),
        ("transfer-encoding: chunked".into(), b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n".to_vec()),
        ("transfer-encoding: chunked".into(), b"-2\r\n{}\r\n0\r\n\r\n".to_vec()),
        // Complete JSON, but not the complete body.
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
