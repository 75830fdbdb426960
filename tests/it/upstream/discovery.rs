//! The allowed contents of a discovery document and a key set.

use runmint::trust::token::KeySetError;
use runmint::trust::token::UnusableKey;
use runmint::trust::token::limits::MAX_KEYS;
use runmint::upstream::discovery::DiscoveryError;
use serde_json::json;

use super::*;
use crate::foreign_issuer::Reply;

#[tokio::test]
async fn the_documents_issuer_must_equal_the_registered_one_byte_for_byte() {
    let issuer = ForeignIssuer::start(&[]).await;
    let world = World::new();
    let registered = registered(&issuer);
    let jwks_uri = format!("{}/keys", issuer.url);
    for wrong in [
        format!("{}/", issuer.url),
        issuer.url.replace("http", "HTTP"),
        issuer.url.replace("http", "https"),
        format!(" {}", issuer.url),
        format!("{}\0", issuer.url),
        issuer.url[..issuer.url.len() - 1].to_owned(),
        "https://token.actions.githubusercontent.com".to_owned(),
        String::new(),
    ] {
        issuer.discovery_says(&json!({"issuer": wrong, "jwks_uri": jwks_uri}));
        world.keys.forget(&registered.id);
        let refused = world.keys.keys(&registered).await.unwrap_err();
        assert!(matches!(&*refused, DiscoveryError::Issuer { .. }), "{wrong}: {refused:?}");
    }
    for document in [
        json!({"jwks_uri": jwks_uri}),
        json!({"issuer": [issuer.url], "jwks_uri": jwks_uri}),
        json!({"issuer": null, "jwks_uri": jwks_uri}),
        json!({"issuer": issuer.url}),
        json!({"issuer": issuer.url, "jwks_uri": [jwks_uri]}),
        json!({"issuer": issuer.url, "jwks": {"keys": []}}),
    ] {
        issuer.discovery_says(&document);
        world.keys.forget(&registered.id);
        let refused = world.keys.keys(&registered).await.unwrap_err();
        assert!(matches!(&*refused, DiscoveryError::Member(_)), "{document}: {refused:?}");
    }
    let twice = format!(r#"{{"issuer":"https://a","jwks_uri":"{jwks_uri}","issuer":"{}"}}"#, issuer.url);
    for garbage in ["", "{", "null", "[]", "\"x\"", "<html>", &"[".repeat(100_000), &twice] {
        issuer.discovery(Reply::text(garbage));
        world.keys.forget(&registered.id);
        let refused = world.keys.keys(&registered).await.unwrap_err();
        assert!(matches!(&*refused, DiscoveryError::NotAnObject(_)), "{garbage:.40}: {refused:?}");
    }
    assert_eq!(issuer.key_requests(), 0);
}

#[tokio::test]
async fn a_key_set_is_an_array_with_a_limited_number_of_keys() {
    let key = ForeignKey::es256("k");
    let issuer = ForeignIssuer::start(&[]).await;
    let world = World::new();
    let registered = registered(&issuer);
    for (garbage, no_json) in [
        ("{", true),
        ("[]", true),
        (r#"{"keys":[],"keys":[]}"#, true),
        ("{}", false),
        (r#"{"keys":{}}"#, false),
    ] {
        issuer.keys(Reply::text(garbage));
        world.keys.forget(&registered.id);
        let refused = world.keys.keys(&registered).await.unwrap_err();
        match &*refused {
            DiscoveryError::KeySet(KeySetError::Json(_)) => assert!(no_json, "{garbage}"),
            DiscoveryError::KeySet(KeySetError::NoKeys) => assert!(!no_json, "{garbage}"),
            other => panic!("{garbage}: {other:?}"),
        }
    }
    let set = |others: usize| {
        let mut keys = vec![json!({"kty": "oct", "k": "AAAA"}); others];
        keys.push(key.jwk());
        json!({ "keys": keys })
    };
    issuer.keys(Reply::json(&set(MAX_KEYS - 1)));
    world.keys.forget(&registered.id);
    world.verify(&world.token(&issuer, &key), &registered).await.unwrap();
    let keys = world.keys.keys(&registered).await.unwrap();
    assert_eq!((keys.keys().len(), keys.unusable().len()), (1, MAX_KEYS - 1));
    assert_eq!(keys.unusable()[0], UnusableKey::Private);

    issuer.keys(Reply::json(&set(MAX_KEYS)));
    world.keys.forget(&registered.id);
    let refused = world.keys.keys(&registered).await.unwrap_err();
    assert!(matches!(&*refused, DiscoveryError::KeySet(KeySetError::TooMany(101))), "{refused:?}");
}

#[tokio::test]
async fn static_keys_are_used_without_a_fetch() {
    let key = ForeignKey::es256("k");
    let issuer = ForeignIssuer::start(&[&ForeignKey::es256("k")]).await;
    let world = World::new();
    let jwks = crate::foreign_issuer::key_set(&[&key]).to_string();
    let static_keys = RegisteredIssuer { keys: KeySource::Static { jwks }, ..registered(&issuer) };
    world.verify(&world.token(&issuer, &key), &static_keys).await.unwrap();
    world.advance(365 * 24 * 3600);
    world.verify(&world.token(&issuer, &key), &static_keys).await.unwrap();
    let unknown = world.token(&issuer, &ForeignKey::es256("other"));
    world.verify(&unknown, &static_keys).await.unwrap_err();
    assert_eq!(issuer.connections(), 0);
}
