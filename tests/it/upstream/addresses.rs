//! The addresses that a connection may go to.

use std::net::IpAddr;

use runmint::upstream::discovery::DiscoveryError;
use runmint::upstream::fetch::{FetchError, FetchSettings};
use runmint::upstream::source_url::SourceUrl;
use serde_json::json;

use super::*;

/// Spellings of addresses that an issuer must not have. By default the server connects to none of them.
const FORBIDDEN: &[&str] = &[
    "https://127.0.0.1",
    "https://127.1",
    "https://0x7f.1",
    "https://0177.0.0.1",
    "https://2130706433",
    "https://0",
    "https://0.0.0.0",
    "https://[::]",
    "https://[::1]",
    "https://[::ffff:127.0.0.1]",
    "https://[::ffff:a9fe:a9fe]",
    "https://[::127.0.0.1]",
    "https://[64:ff9b::169.254.169.254]",
    "https://[64:ff9b:1::10.0.0.1]",
    "https://[2002:a9fe:a9fe::]",
    "https://[2001:0:a9fe:a9fe::1]",
    "https://[fd00:ec2::254]",
    "https://[fd20:ce::254]",
    "https://[fe80::1]",
    "https://[ff02::1]",
    "https://169.254.169.254/latest/meta-data",
    "https://0xa9fea9fe",
    "https://169.254.170.2",
    "https://168.63.129.16",
    "https://100.100.100.200",
    "https://192.0.0.192",
    "https://10.0.0.1",
    "https://172.16.0.1",
    "https://192.168.0.1",
    "https://198.18.0.1",
    "https://203.0.113.1",
    "https://224.0.0.1",
    "https://255.255.255.255",
    "https://１２７.0.0.1",
];

#[tokio::test]
async fn no_spelling_of_an_internal_address_is_connected_to() {
    let world = World::with(FetchSettings::default());
    for url in FORBIDDEN {
        let refused = world.keys.keys(&registered_at(url)).await.unwrap_err();
        let DiscoveryError::Document(FetchError::Forbidden { .. }) = &*refused else {
            panic!("{url}: {refused:?}")
        };
    }
    assert_eq!(world.names.asked(), Vec::<String>::new());
    eprintln!("counted: attacks refused, addresses of issuers: {}", FORBIDDEN.len());
}

#[tokio::test]
async fn the_same_address_rules_apply_to_the_keys() {
    let issuer = ForeignIssuer::start(&[]).await;
    let world = World::new();
    let others = ["https://127.0.0.2:1/keys", "http://[::1]:1/keys", "https://localhost:1/keys"];
    world.names.set("localhost", &[&["127.0.0.2"]]);
    // The address that tests may connect to, however it is spelled.
    let allowed = |url: &&&str| reqwest::Url::parse(url).unwrap().host_str() == Some("127.0.0.1");
    for url in FORBIDDEN.iter().filter(|url| !allowed(url)).chain(&others) {
        issuer.discovery_says(&json!({"issuer": issuer.url, "jwks_uri": url}));
        world.keys.forget(&registered(&issuer).id);
        let refused = world.keys.keys(&registered(&issuer)).await.unwrap_err();
        assert!(
            matches!(&*refused, DiscoveryError::Keys(FetchError::Forbidden { .. })),
            "{url}: {refused:?}"
        );
    }
    for url in ["ftp://127.0.0.1/keys", "file:///etc/passwd", "https://a:b@127.0.0.1/keys", "/keys", ""] {
        issuer.discovery_says(&json!({"issuer": issuer.url, "jwks_uri": url}));
        world.keys.forget(&registered(&issuer).id);
        let refused = world.keys.keys(&registered(&issuer)).await.unwrap_err();
        assert!(matches!(&*refused, DiscoveryError::Keys(FetchError::Url(_))), "{url}: {refused:?}");
    }
    assert_eq!(issuer.key_requests(), 0);
}

#[tokio::test]
async fn every_resolved_address_is_checked_and_one_internal_address_refuses_all() {
    let world = World::with(FetchSettings::default());
    for answer in [
        &["127.0.0.1"][..],
        &["169.254.169.254"],
        &["fd00:ec2::254"],
        &["::ffff:10.0.0.1"],
        &["1.1.1.1", "10.0.0.1"],
        &["2606:4700::1111", "fe80::1"],
    ] {
        world.names.set("issuer.test", &[answer]);
        world.keys.forget("registration of https://issuer.test");
        let refused = world.keys.keys(&registered_at("https://issuer.test")).await.unwrap_err();
        let DiscoveryError::Document(FetchError::Forbidden { host, address, .. }) = &*refused else {
            panic!("{answer:?}: {refused:?}")
        };
        let last: IpAddr = answer.last().unwrap().parse().unwrap();
        assert_eq!((host.as_str(), address), ("issuer.test", &last));
    }
    let unknown = world.keys.keys(&registered_at("https://nobody.test")).await.unwrap_err();
    assert!(matches!(&*unknown, DiscoveryError::Document(FetchError::Resolve { .. })), "{unknown:?}");
}

#[tokio::test]
async fn the_checked_address_is_the_one_connected_to() {
    let key = ForeignKey::es256("k");
    let right = ForeignIssuer::start(&[&key]).await;
    let port = right.address.port();
    let wrong = ForeignIssuer::start_at(&format!("127.0.0.2:{port}"), None, &[&key]).await;
    let url = format!("http://rebind.test:{port}");
    right.is_called(&url);
    wrong.is_called(&url);

    // The name resolves elsewhere as soon as it was looked up.
    let world = World::new();
    world.names.set("rebind.test", &[&["127.0.0.1"], &["127.0.0.2"]]);
    let fetcher = world.keys.fetcher();
    let document = SourceUrl::of_discovery(&url, PlainHttp::OnLoopback).unwrap();
    fetcher.fetch(&document, &[], fetcher.deadline()).await.unwrap();
    assert_eq!(world.names.asked(), ["rebind.test"], "it is looked up once");
    assert_eq!((right.connections(), wrong.connections()), (1, 0));

    // The address is checked again for each document.
    let world = World::new();
    world.names.set("rebind.test", &[&["127.0.0.1"], &["127.0.0.2"]]);
    let refused = world.keys.keys(&registered_at(&url)).await.unwrap_err();
    assert!(matches!(&*refused, DiscoveryError::Keys(FetchError::Forbidden { .. })), "{refused:?}");
    assert_eq!(world.names.asked().len(), 2);
    assert_eq!((right.connections(), wrong.connections()), (2, 0));
}

#[tokio::test]
async fn an_operator_may_allow_a_range() {
    let key = ForeignKey::es256("k");
    let issuer = ForeignIssuer::start(&[&key]).await;
    let world = World::with(FetchSettings { allowed_ranges: Vec::new(), ..on_loopback() });
    let refused = world.keys.keys(&registered(&issuer)).await.unwrap_err();
    assert!(matches!(&*refused, DiscoveryError::Document(FetchError::Forbidden { .. })), "{refused:?}");
    assert_eq!(issuer.connections(), 0);
    World::new().keys.keys(&registered(&issuer)).await.unwrap();
}

#[tokio::test]
async fn http_is_allowed_only_for_loopback_and_only_when_configured() {
    let issuer = ForeignIssuer::start(&[]).await;
    let allowed_ranges = ["127.0.0.0/8", "10.0.0.0/8"].map(|range| range.parse().unwrap()).to_vec();
    let never = FetchSettings { plain_http: PlainHttp::Never, allowed_ranges, ..on_loopback() };
    let refused = World::with(never.clone()).keys.keys(&registered(&issuer)).await.unwrap_err();
    assert!(matches!(&*refused, DiscoveryError::Document(FetchError::Url(_))), "{refused:?}");

    let world = World::with(FetchSettings { plain_http: PlainHttp::OnLoopback, ..never });
    world.names.set("issuer.test", &[&["127.0.0.1", "10.0.0.1"]]);
    for url in ["http://10.0.0.1", "http://issuer.test", "http://1.1.1.1"] {
        let refused = world.keys.keys(&registered_at(url)).await.unwrap_err();
        assert!(matches!(&*refused, DiscoveryError::Document(FetchError::PlainHttp { .. })), "{refused:?}");
    }
    assert_eq!(issuer.connections(), 0);
}
