//! How long keys are cached, and how rarely an issuer is asked.

use runmint::trust::token::TokenError;
use runmint::upstream::discovery::DiscoveryError;
use runmint::upstream::fetch::FetchError;
use runmint::upstream::issuer_keys::{REST, STALE_FOR};

use super::*;
use crate::foreign_issuer::Reply;

#[track_caller]
fn assert_unknown(refused: Result<VerifiedClaims, NotVerified>) {
    assert!(matches!(refused, Err(NotVerified::Token(TokenError::UnknownKey(_)))), "{refused:?}");
}

#[track_caller]
fn assert_no_keys(refused: &Result<VerifiedClaims, NotVerified>) {
    assert!(matches!(refused, Err(NotVerified::Keys(_))), "{refused:?}");
}

#[tokio::test]
async fn a_token_of_another_issuer_causes_no_fetch() {
    let key = ForeignKey::es256("k");
    let (ours, theirs) = (ForeignIssuer::start(&[&key]).await, ForeignIssuer::start(&[&key]).await);
    let world = World::new();
    let token = world.token(&theirs, &key);
    for url in [&ours.url, &format!("{}/", theirs.url), &theirs.url[..theirs.url.len() - 1], ""] {
        let refused = world.verify(&token, &registered_at(url)).await;
        assert!(matches!(refused, Err(NotVerified::Token(TokenError::Issuer { .. }))), "{url}");
    }
    assert_eq!((ours.connections(), theirs.connections()), (0, 0));
}

#[tokio::test]
async fn keys_are_used_for_as_long_as_the_issuer_says_within_bounds() {
    let key = ForeignKey::es256("k");
    let issuer = ForeignIssuer::start(&[]).await;
    for (cache_control, seconds) in
        [("max-age=300", 300), ("max-age=0", 60), ("no-store", 60), ("max-age=999999999", 86_400), ("", 600)]
    {
        let world = World::new();
        issuer.publish_for(cache_control, &[&key]);
        let before = issuer.key_requests();
        let asked = async |fetches: usize| {
            world.verify(&world.token(&issuer, &key), &registered(&issuer)).await.unwrap();
            assert_eq!(issuer.key_requests() - before, fetches, "{cache_control}");
        };
        asked(1).await;
        world.advance(seconds - 1);
        asked(1).await;
        world.advance(1);
        asked(2).await;
    }
}

#[tokio::test]
async fn an_unknown_key_is_fetched_once_and_not_again_for_a_while() {
    let (old, new) = (ForeignKey::es256("old"), ForeignKey::es256("new"));
    let issuer = ForeignIssuer::start(&[&old]).await;
    let world = World::new();
    let registered = registered(&issuer);
    let unknown = async |times: usize| {
        for time in 0..times {
            let key = new.called(&format!("made up {time}"));
            assert_unknown(world.verify(&world.token(&issuer, &key), &registered).await);
        }
        (issuer.discovery_requests(), issuer.key_requests())
    };
    assert_eq!(unknown(20).await, (1, 1), "it was asked a moment ago");
    world.advance(REST.as_secs() - 1);
    assert_eq!(unknown(20).await, (1, 1));
    world.advance(1);
    assert_eq!(unknown(20).await, (2, 2));
    // A rotation is noticed with the first token that needs it.
    issuer.publish(&[&old, &new]);
    assert_unknown(world.verify(&world.token(&issuer, &new), &registered).await);
    world.advance(REST.as_secs());
    world.verify(&world.token(&issuer, &new), &registered).await.unwrap();
    world.verify(&world.token(&issuer, &old), &registered).await.unwrap();
    assert_eq!(issuer.key_requests(), 3);
    // A removed key is noticed, too, once the cached keys are old.
    issuer.publish(&[&new]);
    world.verify(&world.token(&issuer, &old), &registered).await.unwrap();
    world.advance(600);
    assert_unknown(world.verify(&world.token(&issuer, &old), &registered).await);
    assert_eq!(issuer.key_requests(), 4);
}

#[tokio::test]
async fn a_token_with_another_defect_causes_no_fetch() {
    let key = ForeignKey::es256("k");
    let issuer = ForeignIssuer::start(&[&key]).await;
    let world = World::new();
    world.verify(&world.token(&issuer, &key), &registered(&issuer)).await.unwrap();
    world.advance(REST.as_secs());
    let forged = world.token(&issuer, &ForeignKey::es256("k"));
    world.verify(&forged, &registered(&issuer)).await.unwrap_err();
    let mut header = key.header();
    header["alg"] = "RS256".into();
    let other_algorithm = key.token_with(&header, &world.claims(&issuer.url));
    world.verify(&other_algorithm, &registered(&issuer)).await.unwrap_err();
    let mut claims = world.claims(&issuer.url);
    claims["aud"] = "somebody else".into();
    world.verify(&key.token(&claims), &registered(&issuer)).await.unwrap_err();
    assert_eq!(issuer.key_requests(), 1);
}

#[tokio::test]
async fn cached_keys_outlive_a_failing_issuer_for_a_limited_time() {
    let key = ForeignKey::es256("k");
    let issuer = ForeignIssuer::start(&[&key]).await;
    for failure in
        [Reply::status("429 Slow Down"), Reply::status("500 Oops"), Reply::text("{"), Reply::Raw(Vec::new())]
    {
        let world = World::new();
        issuer.publish(&[&key]);
        let verify = async || world.verify(&world.token(&issuer, &key), &registered(&issuer)).await;
        verify().await.unwrap();
        issuer.keys(failure);
        world.advance(600);
        verify().await.unwrap();
        world.advance(STALE_FOR.as_secs() - 1);
        verify().await.unwrap();
        world.advance(1);
        assert_no_keys(&verify().await);
        world.advance(24 * 3600);
        assert_no_keys(&verify().await);
        // The issuer is trusted again as soon as it answers.
        issuer.publish(&[&key]);
        world.advance(REST.as_secs());
        verify().await.unwrap();
    }
}

#[tokio::test]
async fn an_issuers_empty_key_set_is_accepted() {
    let key = ForeignKey::es256("k");
    let issuer = ForeignIssuer::start(&[&key]).await;
    let world = World::new();
    world.verify(&world.token(&issuer, &key), &registered(&issuer)).await.unwrap();
    issuer.publish(&[]);
    world.advance(600);
    assert_unknown(world.verify(&world.token(&issuer, &key), &registered(&issuer)).await);
}

#[tokio::test]
async fn a_failing_issuer_is_not_asked_again_for_a_while() {
    let key = ForeignKey::es256("k");
    let issuer = ForeignIssuer::start(&[&key]).await;
    issuer.keys(Reply::status("429 Slow Down"));
    let world = World::new();
    let fetches_after = async |times: usize| {
        for _ in 0..times {
            let refused = world.verify(&world.token(&issuer, &key), &registered(&issuer)).await.unwrap_err();
            let NotVerified::Keys(why) = refused else { panic!("{refused:?}") };
            assert!(matches!(&*why, DiscoveryError::Keys(FetchError::Status(_))), "{why:?}");
        }
        (issuer.discovery_requests(), issuer.key_requests())
    };
    assert_eq!(fetches_after(50).await, (1, 1));
    world.advance(REST.as_secs() - 1);
    assert_eq!(fetches_after(50).await, (1, 1));
    world.advance(1);
    assert_eq!(fetches_after(50).await, (2, 2));
    // Stale keys do not make it ask more often.
    issuer.publish(&[&key]);
    world.advance(REST.as_secs());
    world.verify(&world.token(&issuer, &key), &registered(&issuer)).await.unwrap();
    issuer.keys(Reply::status("500 Oops"));
    world.advance(600);
    for _ in 0..50 {
        world.verify(&world.token(&issuer, &key), &registered(&issuer)).await.unwrap();
    }
    assert_eq!(issuer.key_requests(), 4);
}

#[tokio::test]
async fn a_changed_or_forgotten_registration_starts_with_an_empty_cache() {
    let key = ForeignKey::es256("k");
    let issuer = ForeignIssuer::start(&[&key]).await;
    let world = World::new();
    let registered = registered(&issuer);
    world.keys.keys(&registered).await.unwrap();
    world.keys.keys(&registered).await.unwrap();
    assert_eq!(issuer.key_requests(), 1);
    world.keys.forget("another");
    world.keys.keys(&registered).await.unwrap();
    assert_eq!(issuer.key_requests(), 1);
    world.keys.forget(&registered.id);
    assert!(world.keys.is_empty());
    world.keys.keys(&registered).await.unwrap();
    assert_eq!(issuer.key_requests(), 2);
    // Over http there is no certificate to pin, but it is another registration all the same.
    let pinned = pinned_at(&issuer.url, &[Thumbprint::of(b"")]);
    assert_eq!(pinned.id, registered.id);
    world.keys.keys(&pinned).await.unwrap();
    assert_eq!(issuer.key_requests(), 3);
    let somebody_elses = RegisteredIssuer { id: "somebody else's".to_owned(), ..registered };
    world.keys.keys(&somebody_elses).await.unwrap();
    assert_eq!(issuer.key_requests(), 4);
}

#[tokio::test]
async fn the_number_of_cached_issuers_is_limited() {
    let world = World::new();
    let fetcher = Fetcher::new(on_loopback(), Arc::clone(&world.names) as _);
    let keys = IssuerKeys::for_at_most(20, fetcher, Arc::clone(&world.clock) as _);
    for number in 0..500 {
        let url = format!("https://{number}.test");
        let jwks = r#"{"keys":[]}"#.to_owned();
        let issuer = RegisteredIssuer { keys: KeySource::Static { jwks }, ..registered_at(&url) };
        keys.keys(&issuer).await.unwrap();
        assert!(keys.len() <= 20, "{}", keys.len());
    }
}
