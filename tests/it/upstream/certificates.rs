//! The certificates that are trusted.

use std::net::SocketAddr;
use std::sync::Arc;

use runmint::upstream::discovery::{DiscoveryError, presented_thumbprints};
use runmint::upstream::fetch::{FetchError, FetchSettings};
use runmint::upstream::source_url::SourceUrl;
use runmint::upstream::thumbprint::Thumbprint;

use super::*;
use crate::foreign_issuer::Tls;

fn trusting(tls: &Tls) -> FetchSettings {
    FetchSettings { authorities: vec![tls.authority.clone()], ..on_loopback() }
}

/// Without a pin; some certificate authority must have signed.
async fn refusal(world: &World, issuer: &RegisteredIssuer) -> Arc<DiscoveryError> {
    world.keys.forget(&issuer.id);
    world.keys.keys(issuer).await.unwrap_err()
}

#[tokio::test]
async fn without_a_pin_an_authority_must_vouch_for_the_name() {
    let (tls, key) = (Tls::new(), ForeignKey::es256("k"));
    let issuer = ForeignIssuer::start_tls(&tls, &[&key]).await;
    World::with(trusting(&tls)).keys.keys(&registered(&issuer)).await.unwrap();

    for settings in [on_loopback(), trusting(&Tls::new())] {
        let refused = refusal(&World::with(settings), &registered(&issuer)).await;
        assert!(matches!(&*refused, DiscoveryError::Document(FetchError::Request(_))), "{refused:?}");
    }
    // Signed by the right authority, but for another name.
    let world = World::with(trusting(&tls));
    let port = issuer.address.port();
    for (name, good) in [("issuer.test", true), ("other.test", false)] {
        world.names.set(name, &[&["127.0.0.1"]]);
        let url = format!("https://{name}:{port}");
        issuer.is_called(&url);
        assert_eq!(world.keys.keys(&registered_at(&url)).await.is_ok(), good, "{name}");
    }
}

#[tokio::test]
async fn a_pin_replaces_every_authority() {
    let (tls, key) = (Tls::new(), ForeignKey::es256("k"));
    let issuer = ForeignIssuer::start_tls(&tls, &[&key]).await;
    let other = Thumbprint::of(b"another certificate");
    let world = World::with(on_loopback());
    for pins in [&[tls.thumbprint][..], &[other, tls.thumbprint]] {
        world.keys.keys(&pinned_at(&issuer.url, pins)).await.unwrap();
    }
    // A valid signature does not make up for a wrong pin, and nothing is sent.
    let world = World::with(trusting(&tls));
    let requests = issuer.requests().len();
    for pins in [&[other][..], &[Thumbprint::of(&tls.authority)]] {
        let refused = refusal(&world, &pinned_at(&issuer.url, pins)).await;
        let DiscoveryError::Document(FetchError::NotPinned(found)) = &*refused else { panic!("{refused:?}") };
        assert_eq!(found, &tls.thumbprint);
    }
    assert_eq!(issuer.requests().len(), requests);
}

#[tokio::test]
async fn the_servers_of_the_keys_are_pinned_too() {
    let (tls, elsewhere_tls, key) = (Tls::new(), Tls::new(), ForeignKey::es256("k"));
    let issuer = ForeignIssuer::start_tls(&tls, &[&key]).await;
    let elsewhere = ForeignIssuer::start_tls(&elsewhere_tls, &[&key]).await;
    issuer.discovery_says(&serde_json::json!({
        "issuer": issuer.url, "jwks_uri": format!("{}/keys", elsewhere.url),
    }));
    let world = World::with(trusting(&elsewhere_tls));
    let refused = refusal(&world, &pinned_at(&issuer.url, &[tls.thumbprint])).await;
    assert!(matches!(&*refused, DiscoveryError::Keys(FetchError::NotPinned(_))), "{refused:?}");

    let both = presented_thumbprints(world.keys.fetcher(), &issuer.url).await.unwrap();
    assert_eq!(both, [tls.thumbprint, elsewhere_tls.thumbprint]);
    world.keys.keys(&pinned_at(&issuer.url, &both)).await.unwrap();
}

#[tokio::test]
async fn a_certificate_without_its_key_is_refused() {
    let tls = Tls::new();
    let thief = ForeignIssuer::start_tls(&tls.stolen(), &[]).await;
    let world = World::with(trusting(&tls));
    for pins in [&[tls.thumbprint][..], &[]] {
        let refused = refusal(&world, &pinned_at(&thief.url, pins)).await;
        assert!(matches!(&*refused, DiscoveryError::Document(FetchError::Request(_))), "{refused:?}");
    }
    let url = SourceUrl::parse(&thief.url, PlainHttp::Never).unwrap();
    let refused = world.keys.fetcher().leaf_thumbprint(&url).await.unwrap_err();
    assert!(matches!(refused, FetchError::Connection(_)), "{refused:?}");
    assert_eq!(thief.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn the_presented_certificate_can_be_read_under_the_same_rules() {
    let tls = Tls::new();
    let issuer = ForeignIssuer::start_tls(&tls, &[]).await;
    let world = World::new();
    let fetcher = world.keys.fetcher();
    let url = SourceUrl::parse(&issuer.url, PlainHttp::Never).unwrap();
    assert_eq!(fetcher.leaf_thumbprint(&url).await.unwrap(), tls.thumbprint);
    assert_eq!(presented_thumbprints(fetcher, &issuer.url).await.unwrap(), [tls.thumbprint]);

    let http = SourceUrl::parse("http://127.0.0.1:1", PlainHttp::OnLoopback).unwrap();
    assert!(matches!(fetcher.leaf_thumbprint(&http).await, Err(FetchError::NoCertificate)));
    let SocketAddr::V4(address) = issuer.address else { panic!("{}", issuer.address) };
    let connections = issuer.connections();
    for host in ["127.0.0.2", "[::ffff:127.0.0.1]", "169.254.169.254"] {
        let url = format!("https://{host}:{}", address.port());
        let refused = fetcher.leaf_thumbprint(&SourceUrl::parse(&url, PlainHttp::Never).unwrap()).await;
        assert!(matches!(refused, Err(FetchError::Forbidden { .. })), "{host}: {refused:?}");
    }
    assert_eq!(issuer.connections(), connections);
}
