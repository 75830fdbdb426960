//! A long run: its credentials are renewed many times, and its signing key is rotated.

use jiff::SignedDuration;
use runmint::flows::rotate_keys::look_after_keys;
use serde_json::json;

use super::client::Client;
use super::google::caller;
use super::world::{AWS_AUDIENCE, World, lasting};
use crate::harness::Engine;

const STEP: SignedDuration = SignedDuration::from_mins(15);
/// Six hours of steps.
const STEPS: usize = 24;
const ROTATE_AFTER: usize = 12;

/// The service's clock advances fifteen minutes between calls; the clients' clocks cannot be set and hardly
/// advance. So the clouds issue credentials that every client renews each time.
#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_during_six_hours_and_a_rotation() {
    let mut world = World::new(Engine::Sqlite).await;
    // By then the next key has been published long enough.
    live(&world, SignedDuration::from_hours(25)).await;
    world.run = world.app.start_run(&json!({"ttl_seconds": 8 * 3600})).await;
    world.clouds.aws.sessions.live_for(lasting(60));
    world.clouds.google.sessions.live_for(lasting(60));
    let for_aws = world.for_aws().await;
    let for_google = world.for_google(&world.url_source(), false);
    let session = format!("website-staging-update/run-{}", world.run_id());
    let role = format!("arn:aws:sts::111122223333:assumed-role/{session}");
    let mut clients = [
        (Client::python("boto3", &for_aws), role.clone()),
        (Client::node("client-sts", &for_aws), role),
        (Client::python("google-auth", &for_google), caller(&world, false)),
        (Client::node("google-auth-library", &for_google), caller(&world, false)),
    ];
    let first_key = world.key_id().await;
    for step in 0..STEPS {
        world.token_file("aws-token", AWS_AUDIENCE).await;
        for (client, caller) in &mut clients {
            assert_eq!(client.call().as_ref(), Ok(&*caller), "call {step}");
        }
        if step == ROTATE_AFTER {
            world.app.post_ok(&world.app.admin, "/api/keys/rotate", &json!({})).await;
        }
        live(&world, STEP).await;
    }
    assert_ne!(world.key_id().await, first_key, "another key signs now");
    // The AWS clients, each as often as it was called; each Google client also fetched a token of its own.
    let refreshes = [world.clouds.aws.sessions.count(), world.clouds.google.sessions.count()];
    eprintln!("counted: six hours: {refreshes:?} sessions of AWS and Google, no failed call");
    assert!(refreshes.iter().all(|&count| count >= 2 * STEPS), "{refreshes:?}");
}

/// Lets time pass as in a running service.
async fn live(world: &World, time: SignedDuration) {
    look_after_keys(world.app.inner()).await.unwrap();
    world.app.clock.advance(time);
    look_after_keys(world.app.inner()).await.unwrap();
}
