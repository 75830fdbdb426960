use std::process::Command;

use super::client::{Call, Client, root};
use super::refusals::is_as_kept;
use super::renews;
use super::world::{World, lasting};
use crate::harness::Engine;

#[tokio::test(flavor = "multi_thread")]
async fn python_clients_get_aws_credentials_renew_them_and_say_why_not() {
    let world = World::new(Engine::Sqlite).await;
    let (environment, caller) = (world.for_aws().await, caller(&world));
    let sessions = &world.clouds.aws.sessions;
    // Both renew from fifteen minutes before the end.
    sessions.live_for(lasting(15 * 60 + 1));
    let mut boto3 = Client::python("boto3", &environment);
    renews(sessions, &caller, || boto3.call());
    renews(sessions, &caller, || aws_cli(&environment));

    world.trust_in_aws("runmint:deploy:org:acme:project:website:stack:prod:operation:update:scope:write");
    let refused = Client::python("boto3", &environment).call().unwrap_err();
    is_as_kept(&world, "aws-boto3-subject", &refused);
    // The first session would do for a while: that is what its cache is for.
    let elsewhere = with(environment, "HOME", &world.app.folder().join("elsewhere").display().to_string());
    is_as_kept(&world, "aws-cli-subject", &aws_cli(&elsewhere).unwrap_err());
    world.token_file("aws-token", "acme").await;
    let refused = Client::python("boto3", &elsewhere).call().unwrap_err();
    is_as_kept(&world, "aws-boto3-audience", &refused);
    world.clouds.aws.put_role("website-staging-update", &serde_json::json!({"Statement": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_clients_get_aws_credentials_renew_them_and_say_why_not() {
    let world = World::new(Engine::Sqlite).await;
    let (environment, caller) = (world.for_aws().await, caller(&world));
    let sessions = &world.clouds.aws.sessions;
    // They renew from five minutes before the end.
    sessions.live_for(lasting(5 * 60 + 1));
    for name in ["client-sts", "credential-providers"] {
        let mut client = Client::node(name, &environment);
        renews(sessions, &caller, || client.call());
    }
    world.trust_in_aws("runmint:deploy:org:acme:project:website:stack:prod:operation:update:scope:write");
    for name in ["client-sts", "credential-providers"] {
        let refused = Client::node(name, &environment).call().unwrap_err();
        is_as_kept(&world, &format!("aws-{name}-subject"), &refused);
    }
}

/// What STS answers while a change is on its way, and when it has not reached the issuer. Clients try again.
#[tokio::test(flavor = "multi_thread")]
async fn boto3_tries_again_where_aws_says_so() {
    let world = World::new(Engine::Sqlite).await;
    let unreachable = "We couldn't reach the identity provider. Please try again.";
    world.clouds.aws.fail_next("IDPCommunicationError", 400, unreachable);
    let mut client = Client::python("boto3", &world.for_aws().await);
    assert_eq!(client.call(), Ok(caller(&world)));
    assert_eq!(world.clouds.aws.calls(), 2);
    assert_eq!(world.clouds.aws.fetches(), 2, "discovery and keys, once each");
}

fn caller(world: &World) -> String {
    let run = world.run["id"].as_str().unwrap();
    format!("arn:aws:sts::111122223333:assumed-role/website-staging-update/run-{run}")
}

/// A process for each call, as in a script. Credentials are cached in HOME.
fn aws_cli(environment: &[(String, String)]) -> Call {
    tokio::task::block_in_place(|| {
        let output = Command::new(root().join("target/clients/venv/bin/aws"))
            .args(["sts", "get-caller-identity", "--query", "Arn", "--output", "text"])
            .env_clear()
            .envs(environment.iter().cloned())
            .output()
            .expect("scripts/install-clients installs it");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    })
}

fn with(environment: Vec<(String, String)>, name: &str, value: &str) -> Vec<(String, String)> {
    let others = environment.into_iter().filter(|(known, _)| known != name);
    others.chain([(name.to_owned(), value.to_owned())]).collect()
}
