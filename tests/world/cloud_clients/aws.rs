use std::process::Command;

use super::client::{Call, Client, installed, run};
use super::refusals::is_as_kept;
use super::world::{World, lasting};
use super::{renews, renews_as_somebody};
use crate::harness::Engine;

#[tokio::test(flavor = "multi_thread")]
async fn python_clients_get_and_renew_aws_credentials_and_report_refusals() {
    let world = World::new(Engine::Sqlite).await;
    let (environment, caller) = (world.for_aws().await, caller(&world));
    let sessions = &world.clouds.aws.sessions;
    // Both renew fifteen minutes before expiry.
    sessions.live_for(lasting(15 * 60 + 1));
    let mut boto3 = Client::python("boto3", &environment);
    renews(sessions, &caller, || boto3.call());
    renews(sessions, &caller, || aws_cli(&environment));

    world.trust_in_aws("runmint:deploy:org:acme:project:website:stack:prod:operation:update:scope:write");
    let refused = Client::python("boto3", &environment).call().unwrap_err();
    is_as_kept(&world, "aws-boto3-subject", &refused);
    // The first session would still be valid: its cache exists for that.
    let elsewhere = with(environment, "HOME", &world.folder.join("elsewhere").display().to_string());
    is_as_kept(&world, "aws-cli-subject", &aws_cli(&elsewhere).unwrap_err());
    world.token_file("aws-token", "acme").await;
    let refused = Client::python("boto3", &elsewhere).call().unwrap_err();
    is_as_kept(&world, "aws-boto3-audience", &refused);
    world.clouds.aws.put_role("website-staging-update", &serde_json::json!({"Statement": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_clients_get_and_renew_aws_credentials_and_report_refusals() {
    let world = World::new(Engine::Sqlite).await;
    let (environment, caller) = (world.for_aws().await, caller(&world));
    let sessions = &world.clouds.aws.sessions;
    // They renew five minutes before expiry.
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

/// A profile that runs `runmint credentials` for a session, and again whenever one expires.
#[tokio::test(flavor = "multi_thread")]
async fn a_profile_may_ask_runmint_for_credentials() {
    let world = World::new(Engine::Sqlite).await;
    let sessions = &world.clouds.aws.sessions;
    let config = world.folder.join("aws-config");
    let process = format!(
        "{} credentials aws --format process {}",
        env!("CARGO_BIN_EXE_runmint"),
        world.aws_flags().join(" ")
    );
    std::fs::write(&config, format!("[default]\nregion = eu-central-1\ncredential_process = {process}\n"))
        .unwrap();
    let environment = with(world.for_exec(), "AWS_CONFIG_FILE", &config.display().to_string());
    for (mut client, seconds) in [
        (Client::python("boto3", &environment), 15 * 60 + 1),
        (Client::node("node-provider-chain", &environment), 5 * 60 + 1),
    ] {
        sessions.live_for(lasting(seconds));
        let who = renews_as_somebody(sessions, || client.call());
        assert!(who.ends_with(world.run_id()), "{who}");
    }
}

/// STS answers like this while a change propagates, and if it could not reach the issuer. Clients retry.
#[tokio::test(flavor = "multi_thread")]
async fn boto3_retries_when_aws_says_so() {
    let world = World::new(Engine::Sqlite).await;
    let unreachable = "We couldn't reach the identity provider. Please try again.";
    world.clouds.aws.fail_next("IDPCommunicationError", 400, unreachable);
    let mut client = Client::python("boto3", &world.for_aws().await);
    assert_eq!(client.call(), Ok(caller(&world)));
    assert_eq!(world.clouds.aws.calls(), 2);
    assert_eq!(world.clouds.aws.fetches(), 2, "discovery and keys, once each");
}

fn caller(world: &World) -> String {
    let run = world.run_id();
    format!("arn:aws:sts::111122223333:assumed-role/website-staging-update/run-{run}")
}

/// One process per call, as in a script. Credentials are cached in HOME.
fn aws_cli(environment: &[(String, String)]) -> Call {
    run(aws_cli_command(), environment)
}

pub(super) fn aws_cli_command() -> Command {
    let mut command = installed("aws");
    command.args(["sts", "get-caller-identity", "--query", "Arn", "--output", "text"]);
    command
}

fn with(environment: Vec<(String, String)>, name: &str, value: &str) -> Vec<(String, String)> {
    let others = environment.into_iter().filter(|(known, _)| known != name);
    others.chain([(name.to_owned(), value.to_owned())]).collect()
}
