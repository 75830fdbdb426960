use jiff::SignedDuration;

use super::client::Client;
use super::world::{World, just_over};
use crate::harness::{Engine, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn boto3_has_a_session_renews_it_and_says_why_not() {
    let world = World::new(Engine::Sqlite).await;
    // It renews from fifteen minutes before the end.
    world.clouds.aws.sessions.live_for(just_over(15));
    let mut client = Client::python("boto3", &world.for_aws().await);
    has_a_session_renews_it_and_says_why_not(&world, &mut client).await;
}

async fn has_a_session_renews_it_and_says_why_not(world: &World, client: &mut Client) {
    let session = format!("website-staging-update/run-{}", world.run["id"].as_str().unwrap());
    let expected = format!("arn:aws:sts::111122223333:assumed-role/{session}");
    assert_eq!(client.call(), Ok(expected.clone()));
    assert_eq!(world.clouds.aws.sessions.count(), 1);
    while world.clouds.aws.sessions.count() == 1 {
        assert_eq!(client.call(), Ok(expected.clone()));
    }
    println!("{:?}", client.call());
}
