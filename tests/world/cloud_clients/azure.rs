use super::client::Client;
use super::refusals::is_as_kept;
use super::renews;
use super::world::{CLIENT_ID, World, lasting};
use crate::harness::Engine;

#[tokio::test(flavor = "multi_thread")]
async fn clients_get_and_renew_azure_credentials_and_report_refusals() {
    let world = World::new(Engine::Postgres).await;
    let environment = world.for_azure().await;
    let caller = format!("{CLIENT_ID} as {}", world.subject());
    let sessions = &world.clouds.entra.sessions;
    // It renews within five minutes of expiry, but waits half a minute between attempts, so let the token
    // expire.
    sessions.live_for(lasting(2));
    let mut python = Client::python("azure-identity", &environment);
    renews(sessions, &caller, || python.call());
    sessions.live_for(lasting(5 * 60 + 1));
    let mut node = Client::node("azure-identity", &environment);
    renews(sessions, &caller, || node.call());

    world.trust_in_azure("runmint:deploy:org:acme:project:website:stack:prod:operation:update:scope:write");
    let refused = Client::python("azure-identity", &environment).call().unwrap_err();
    is_as_kept(&world, "azure-identity-python-subject", &refused);
    let refused = Client::node("azure-identity", &environment).call().unwrap_err();
    is_as_kept(&world, "azure-identity-node-subject", &refused);
}
