use serde_json::{Value, json};

use super::client::Client;
use super::refusals::is_as_kept;
use super::renews;
use super::world::{ACCOUNT, GOOGLE_AUDIENCE, Site, World, lasting, variables};
use crate::clouds::google::POOL;
use crate::harness::Engine;

/// It renews three minutes and 45 seconds before expiry.
const PYTHON_SECONDS: i64 = 225 + 1;
const NODE_SECONDS: i64 = 5 * 60 + 1;

#[tokio::test(flavor = "multi_thread")]
async fn google_auth_reads_a_file_a_url_and_what_a_program_prints() {
    let world = World::new(Engine::Sqlite).await;
    let sessions = &world.clouds.google.sessions;
    sessions.live_for(lasting(PYTHON_SECONDS));
    for (source, impersonate) in
        [(file_source(&world).await, true), (world.url_source(), false), (executable_source(&world), true)]
    {
        let environment = [world.for_google(&source, impersonate), world.inside(), may_execute()].concat();
        let mut client = Client::python("google-auth", &environment);
        renews(sessions, &caller(&world, impersonate), || client.call());
    }
    let environment = world.for_google(&world.url_source(), false);
    refuses(&world, "google-auth", || Client::python("google-auth", &environment).call().unwrap_err());
    world.trust_in_google(None);
    let environment = world.for_google(&json!({"file": world.folder.join("aws-token")}), false);
    world.token_file("aws-token", "sts.amazonaws.com").await;
    let refused = Client::python("google-auth", &environment).call().unwrap_err();
    is_as_kept(&world, "google-auth-audience", &refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn google_auth_library_reads_a_file_a_url_and_what_a_program_prints() {
    let world = World::new(Engine::Sqlite).await;
    let sessions = &world.clouds.google.sessions;
    sessions.live_for(lasting(NODE_SECONDS));
    for (source, impersonate) in
        [(file_source(&world).await, false), (world.url_source(), true), (executable_source(&world), false)]
    {
        let environment = [world.for_google(&source, impersonate), world.inside(), may_execute()].concat();
        let mut client = Client::node("google-auth-library", &environment);
        renews(sessions, &caller(&world, impersonate), || client.call());
    }
    let environment = world.for_google(&world.url_source(), false);
    refuses(&world, "google-auth-library", || {
        Client::node("google-auth-library", &environment).call().unwrap_err()
    });
}

fn refuses(world: &Site, name: &str, call: impl Fn() -> String) {
    world.trust_in_google(Some("assertion.stack == 'prod'"));
    is_as_kept(world, &format!("{name}-condition"), &call());
}

/// The caller: the run itself, or the service account it impersonates.
pub(super) fn caller(world: &Site, impersonate: bool) -> String {
    if impersonate {
        return ACCOUNT.to_owned();
    }
    let (subject, run) = (world.subject(), world.run_id());
    let pool = format!("iam.googleapis.com/{POOL}");
    format!("principal://{pool}/subject/{subject} principalSet://{pool}/attribute.run_id/{run}")
}

async fn file_source(world: &Site) -> Value {
    json!({"file": world.token_file("google-token", GOOGLE_AUDIENCE).await})
}

/// The credential source that Google's libraries execute and read.
fn executable_source(site: &Site) -> Value {
    let runmint = env!("CARGO_BIN_EXE_runmint");
    let provider = site.google_flags().join(" ");
    let command = format!("{runmint} credentials gcp --format executable {provider}");
    json!({"executable": {"command": command, "timeout_millis": 30_000}})
}

fn may_execute() -> Vec<(String, String)> {
    variables(&[("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")])
}
