//! Concurrent requests.

use std::time::Duration;

use runmint::trust::token::TokenError;
use tokio::task::JoinSet;

use super::*;
use crate::foreign_issuer::{Gate, Reply};
use crate::harness::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_concurrent_callers_cause_one_fetch() {
    let key = ForeignKey::es256("k");
    let issuer = ForeignIssuer::start(&[&key]).await;
    let gate = Gate::closed();
    issuer.keys(Reply::json(&crate::foreign_issuer::key_set(&[&key])).behind(&gate));
    let world = Arc::new(World::new());
    let mut waiting = JoinSet::new();
    for _ in 0..100 {
        let (world, token, issuer) = (Arc::clone(&world), world.token(&issuer, &key), registered(&issuer));
        waiting.spawn(async move { world.verify(&token, &issuer).await.unwrap() });
    }
    eventually("the keys are asked for", async || issuer.key_requests() == 1).await;
    assert!(waiting.try_join_next().is_none());
    gate.open();
    waiting.join_all().await;
    assert_eq!((issuer.discovery_requests(), issuer.key_requests(), issuer.connections()), (1, 1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_concurrent_unknown_keys_cause_one_fetch() {
    let key = ForeignKey::es256("k");
    let issuer = ForeignIssuer::start(&[&key]).await;
    let world = Arc::new(World::new());
    world.verify(&world.token(&issuer, &key), &registered(&issuer)).await.unwrap();
    world.advance(30);
    let mut waiting = JoinSet::new();
    for number in 0..100 {
        let key = key.called(&format!("made up {number}"));
        let (world, token, issuer) = (Arc::clone(&world), world.token(&issuer, &key), registered(&issuer));
        waiting.spawn(async move { world.verify(&token, &issuer).await.unwrap_err() });
    }
    waiting.join_all().await;
    assert_eq!((issuer.discovery_requests(), issuer.key_requests()), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_concurrent_tokens_of_a_new_key_cause_one_fetch_and_all_verify() {
    let (old, new) = (ForeignKey::es256("old"), ForeignKey::es256("new"));
    let issuer = ForeignIssuer::start(&[&old]).await;
    let world = Arc::new(World::new());
    world.verify(&world.token(&issuer, &old), &registered(&issuer)).await.unwrap();
    let gate = Gate::closed();
    issuer.keys(Reply::json(&crate::foreign_issuer::key_set(&[&old, &new])).behind(&gate));
    world.advance(30);
    let mut waiting = JoinSet::new();
    for _ in 0..100 {
        let (world, token, issuer) = (Arc::clone(&world), world.token(&issuer, &new), registered(&issuer));
        waiting.spawn(async move { world.verify(&token, &issuer).await.unwrap() });
    }
    eventually("the keys are asked for again", async || issuer.key_requests() == 2).await;
    gate.open();
    waiting.join_all().await;
    assert_eq!((issuer.discovery_requests(), issuer.key_requests()), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_concurrent_failures_cause_one_fetch() {
    let key = ForeignKey::es256("k");
    let issuer = ForeignIssuer::start(&[&key]).await;
    issuer.discovery(Reply::status("500 Oops"));
    let world = Arc::new(World::new());
    let mut waiting = JoinSet::new();
    for _ in 0..100 {
        let (world, token, issuer) = (Arc::clone(&world), world.token(&issuer, &key), registered(&issuer));
        waiting.spawn(async move { world.verify(&token, &issuer).await.unwrap_err() });
    }
    waiting.join_all().await;
    assert_eq!(issuer.connections(), 1);
}

#[tokio::test]
async fn a_slow_issuer_does_not_delay_other_issuers() {
    let key = ForeignKey::es256("k");
    let (slow, quick) = (ForeignIssuer::start(&[&key]).await, ForeignIssuer::start(&[&key]).await);
    slow.discovery(Reply::Silence);
    let settings = FetchSettings { time: Duration::from_hours(1), ..on_loopback() };
    let world = Arc::new(World::with(settings));
    let mut waiting = JoinSet::new();
    for _ in 0..20 {
        let (world, token, issuer) = (Arc::clone(&world), world.token(&slow, &key), registered(&slow));
        waiting.spawn(async move { world.verify(&token, &issuer).await });
    }
    eventually("the slow one is asked", async || slow.discovery_requests() == 1).await;
    for _ in 0..20 {
        world.verify(&world.token(&quick, &key), &registered(&quick)).await.unwrap();
    }
    let other = RegisteredIssuer { id: "another registration".to_owned(), ..registered(&quick) };
    world.verify(&world.token(&quick, &key), &other).await.unwrap();
    assert!(waiting.try_join_next().is_none(), "they still wait");
}

#[tokio::test]
async fn disconnected_callers_do_not_cause_another_fetch() {
    let key = ForeignKey::es256("k");
    let issuer = ForeignIssuer::start(&[&key]).await;
    let gate = Gate::closed();
    issuer.keys(Reply::json(&crate::foreign_issuer::key_set(&[&key])).behind(&gate));
    let world = World::new();
    let registered = registered(&issuer);
    for _ in 0..50 {
        tokio::select! {
            biased;
            answer = world.keys.keys(&registered) => panic!("{answer:?}"),
            () = eventually("the keys are asked for", async || issuer.key_requests() >= 1) => {}
        }
    }
    gate.open();
    world.verify(&world.token(&issuer, &key), &registered).await.unwrap();
    assert_eq!((issuer.discovery_requests(), issuer.key_requests()), (1, 1));
}

/// Centrifugo's CVE-2026-49998: a cache and a flight keyed by `kid` alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_key_id_of_two_issuers_is_two_keys() {
    let (key_a, key_b) = (ForeignKey::es256("the same"), ForeignKey::es256("the same"));
    let a = Arc::new(ForeignIssuer::start(&[&key_a]).await);
    let b = Arc::new(ForeignIssuer::start(&[&key_b]).await);
    for (first, second) in [(&a, &b), (&b, &a)] {
        let world = World::new();
        world.keys.keys(&registered(first)).await.unwrap();
        let primed = if Arc::ptr_eq(first, &a) { &key_a } else { &key_b };
        let forged = world.token(second, primed);
        let refused = world.verify(&forged, &registered(second)).await;
        assert!(matches!(refused, Err(NotVerified::Token(TokenError::Signature))), "{refused:?}");
        // The same in the other order of registration.
        let crossed = RegisteredIssuer { id: registered(first).id, ..registered(second) };
        let refused = world.verify(&forged, &crossed).await;
        assert!(matches!(refused, Err(NotVerified::Token(TokenError::Signature))), "{refused:?}");
    }

    let (mut accepted, mut refused) = (0, 0);
    for round in 0..100_usize {
        let world = Arc::new(World::new());
        let mut all = JoinSet::new();
        for number in 0..12 {
            let issuer = if (number ^ round) & 1 == 0 { &a } else { &b };
            let genuine = (number + round).is_multiple_of(3);
            let own = Arc::ptr_eq(issuer, &a);
            let key = if own == genuine { &key_a } else { &key_b };
            let (token, registered) = (world.token(issuer, key), registered(issuer));
            let world = Arc::clone(&world);
            all.spawn(async move { (genuine, world.verify(&token, &registered).await) });
        }
        for (genuine, outcome) in all.join_all().await {
            match outcome {
                Ok(_) if genuine => accepted += 1,
                Err(NotVerified::Token(TokenError::Signature)) if !genuine => refused += 1,
                other => panic!("genuine: {genuine}, {other:?}"),
            }
        }
    }
    assert!(accepted > 300 && refused > 300, "{accepted} {refused}");
    eprintln!("counted: interleavings of two issuers with one key id: {}", accepted + refused);
}
