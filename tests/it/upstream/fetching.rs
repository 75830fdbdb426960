//! The bounds on an answer: limited in time and size, from the server itself, and JSON.

use std::future::pending;
use std::time::Duration;

use runmint::upstream::discovery::DiscoveryError;
use runmint::upstream::fetch::{FetchError, FetchSettings};
use runmint::upstream::resolver::Resolving;
use serde_json::json;

use super::*;
use crate::foreign_issuer::{Reply, key_set};

/// Asserts that `reply`, as the discovery document and as the key set, is refused for this reason.
async fn assert_refused(
    world: &World,
    issuer: &ForeignIssuer,
    reply: &Reply,
    expected: fn(&FetchError) -> bool,
) {
    let registered = registered(issuer);
    for answered in [ForeignIssuer::discovery, ForeignIssuer::keys] {
        issuer.is_called(&issuer.url);
        answered(issuer, reply.clone());
        world.keys.forget(&registered.id);
        let refused = world.keys.keys(&registered).await.unwrap_err();
        let (DiscoveryError::Document(error) | DiscoveryError::Keys(error)) = &*refused else {
            panic!("{refused:?}")
        };
        assert!(expected(error), "{error:?}");
    }
}

struct NeverResolves;

impl Resolver for NeverResolves {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        Box::pin(pending())
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let key = ForeignKey::es256("k");
    let issuer = ForeignIssuer::start(&[&key]).await;
    let elsewhere = ForeignIssuer::start(&[&key]).await;
    elsewhere.is_called(&issuer.url);
    let world = World::new();
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent", "300 Choose"]
    {
        for target in [&elsewhere.url, &issuer.url] {
            for path in ["/keys", "/.well-known/openid-configuration", ""] {
                let reply = Reply::redirect(status, &format!("{target}{path}"));
                assert_refused(&world, &issuer, &reply, |error| matches!(error, FetchError::Redirect(_)))
                    .await;
            }
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn only_status_200_is_accepted() {
    let issuer = ForeignIssuer::start(&[]).await;
    let world = World::new();
    for status in ["201 C", "202 A", "204 N", "206 P", "400 B", "401 U", "404 N", "429 T", "500 I", "503 S"] {
        assert_refused(&world, &issuer, &Reply::status(status), |error| {
            matches!(error, FetchError::Status(_))
        })
        .await;
    }
}

#[tokio::test]
async fn only_json_is_accepted() {
    let key = ForeignKey::es256("k");
    let issuer = ForeignIssuer::start(&[&key]).await;
    let world = World::new();
    let body = key_set(&[&key]).to_string();
    for wrong in ["text/html", "text/plain; a=application/json", "application/jsonp", "image/svg+json", ""] {
        let reply = Reply::with_head("200 OK", &[&format!("content-type: {wrong}")], &body);
        assert_refused(&world, &issuer, &reply, |error| matches!(error, FetchError::NotJson(_))).await;
    }
    assert_refused(&world, &issuer, &Reply::with_head("200 OK", &[], &body), |error| {
        matches!(error, FetchError::NotJson(_))
    })
    .await;
    issuer.is_called(&issuer.url);
    for right in ["application/json", "Application/JSON;charset=utf-8", "application/jwk-set+json"] {
        issuer.keys(Reply::with_head("200 OK", &[&format!("content-type: {right}")], &body));
        world.keys.forget(&registered(&issuer).id);
        world.keys.keys(&registered(&issuer)).await.unwrap();
    }
}

#[tokio::test]
async fn a_truncated_or_malformed_answer_is_refused() {
    let issuer = ForeignIssuer::start(&[]).await;
    let world = World::new();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    for raw in [
        String::new(),
        "\0\u{1}\u{2}garbage\r\n\r\n".to_owned(),
        "SSH-2.0-OpenSSH_9.2\r\n".to_owned(),
        format!("{head}content-length: 100\r\n\r\n{{}}"),
        format!("{head}transfer-encoding: chunked\r\n\r\nffffffffffffffff1\r\n{{}}"),
        format!("{head}transfer-encoding: chunked\r\n\r\n2\r\n{{}}"),
        format!("{head}{}\r\n\r\n{{}}", "x: y\r\n".repeat(10_000)),
        format!("{head}x: {}\r\n\r\n{{}}", "y".repeat(1 << 20)),
    ] {
        assert_refused(&world, &issuer, &Reply::Raw(raw.clone().into_bytes()), |error| {
            matches!(error, FetchError::Request(_))
        })
        .await;
    }
}

#[tokio::test]
async fn no_body_is_read_beyond_its_limit() {
    let key = ForeignKey::es256("k");
    let issuer = ForeignIssuer::start(&[&key]).await;
    let world = World::new();
    let bound = FetchSettings::default().max_bytes;
    assert_eq!(bound, 1024 * 1024);
    let too_large = Reply::text(&" ".repeat(bound + 1));
    // The same without a length in the head.
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    let no_length = Reply::Raw(format!("{head}{}", " ".repeat(bound + 1)).into_bytes());
    for reply in [too_large, no_length, Reply::Endless] {
        assert_refused(&world, &issuer, &reply, |error| matches!(error, FetchError::TooLarge(1_048_576)))
            .await;
    }
    issuer.is_called(&issuer.url);
    let body = key_set(&[&key]).to_string();
    issuer.keys(Reply::text(&format!("{body}{}", " ".repeat(bound - body.len()))));
    world.keys.forget(&registered(&issuer).id);
    world.keys.keys(&registered(&issuer)).await.unwrap();
}

#[tokio::test]
async fn no_caller_waits_beyond_the_time_limit() {
    assert_eq!(FetchSettings::default().time, Duration::from_secs(5));
    let issuer = ForeignIssuer::start(&[]).await;
    let hasty = FetchSettings { time: Duration::from_millis(100), ..on_loopback() };
    let world = World::with(hasty.clone());
    for reply in [Reply::Silence, Reply::Drip] {
        assert_refused(&world, &issuer, &reply, |error| matches!(error, FetchError::TooSlow(_))).await;
    }

    let world = World::resolving(hasty, Arc::new(NeverResolves), Arc::default());
    let refused = world.keys.keys(&registered_at("https://slow.test")).await.unwrap_err();
    assert!(matches!(&*refused, DiscoveryError::Document(FetchError::TooSlow(_))), "{refused:?}");
}

#[tokio::test]
async fn a_valid_answer_is_used() {
    let key = ForeignKey::es256("k");
    let issuer = ForeignIssuer::start(&[&key]).await;
    let world = World::new();
    let verified = world.verify(&world.token(&issuer, &key), &registered(&issuer)).await.unwrap();
    assert_eq!(verified.subject(), "repo:acme/website");
    assert_eq!(verified.all()["aud"], json!(AUDIENCE));
    assert_eq!(issuer.requests(), ["/.well-known/openid-configuration", "/keys"]);
}
