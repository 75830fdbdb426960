//! The same clients, started by `runmint exec`, which is their only source of credentials.

use std::path::PathBuf;
use std::process::Command;

use jiff::SignedDuration;
use runmint::issuer::lifetime::DEADLINE_GRACE;

use super::aws::aws_cli_command;
use super::client::{Client, node, python, run, under_exec};
use super::google::caller;
use super::renews_as_somebody;
use super::world::{ACCOUNT, CLIENT_ID, Site, World, lasting, variables};
use crate::clouds::entra::TENANT;
use crate::clouds::sessions::Sessions;
use crate::harness::{self, Engine};

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_aws_work_under_exec_in_every_mode() {
    let world = World::new(Engine::Sqlite).await;
    let environment = world.for_exec();
    let sessions = &world.clouds.aws.sessions;
    for mode in ["token", "endpoint"] {
        for (name, command, seconds) in [
            ("boto3", python("boto3"), 15 * 60 + 1),
            ("client-sts", node("client-sts"), 5 * 60 + 1),
            ("node-provider-chain", node("node-provider-chain"), 5 * 60 + 1),
        ] {
            sessions.live_for(lasting(seconds));
            let flags = [&["--mode".to_owned(), mode.to_owned()][..], &world.aws_flags()].concat();
            let mut client = Client::start(under_exec(&flags, &command), &environment);
            // In endpoint mode runmint renews for all clients at half the lifetime, so not during the test.
            let who = if mode == "token" {
                renews_as_somebody(sessions, || client.call())
            } else {
                client.call().unwrap()
            };
            is_the_run(&world, name, &who);
            assert_eq!(client.end(), Some(0), "{name} in mode {mode}");
        }
    }
    sessions.live_for(lasting(3600));
    for mode in ["token", "endpoint", "credentials"] {
        let flags = [&["--mode".to_owned(), mode.to_owned()][..], &world.aws_flags()].concat();
        let who = run(under_exec(&flags, &aws_cli_command()), &environment).unwrap();
        is_the_run(&world, "aws", &who);
    }
    assert_eq!(left_behind(&world), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_azure_work_under_exec() {
    let world = World::new(Engine::Sqlite).await;
    let sessions = &world.clouds.entra.sessions;
    let caller = format!("{CLIENT_ID} as {}", world.subject());
    let flags = flags(&[("--azure-client-id", CLIENT_ID), ("--azure-tenant-id", TENANT)]);
    let whoami = format!("{}/whoami", world.clouds.entra_url());
    let environment = [world.for_exec(), variables(&[("WHOAMI_URL", &whoami)])].concat();
    for (command, seconds) in [(python("azure-identity"), 2), (node("azure-identity"), 5 * 60 + 1)] {
        sessions.live_for(lasting(seconds));
        let mut client = Client::start(under_exec(&flags, &command), &environment);
        assert_eq!(renews_as_somebody(sessions, || client.call()), caller);
        assert_eq!(client.end(), Some(0));
    }
    assert_eq!(left_behind(&world), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_google_work_under_exec() {
    let world = World::new(Engine::Sqlite).await;
    let sessions = &world.clouds.google.sessions;
    let whoami = format!("{}/whoami", world.clouds.google_url());
    let environment = [world.for_exec(), variables(&[("WHOAMI_URL", &whoami)])].concat();
    for source in ["url", "file"] {
        for (command, seconds, impersonate) in
            [(python("google-auth"), 226, true), (node("google-auth-library"), 301, false)]
        {
            sessions.live_for(lasting(seconds));
            let mut flags = [world.google_flags(), flags(&[("--gcp-source", source)])].concat();
            if impersonate {
                flags.extend(["--gcp-service-account".to_owned(), ACCOUNT.to_owned()]);
            }
            let mut client = Client::start(under_exec(&flags, &command), &environment);
            assert_eq!(renews_as_somebody(sessions, || client.call()), caller(&world, impersonate));
            assert_eq!(client.end(), Some(0));
        }
    }
    assert_eq!(left_behind(&world), Vec::<PathBuf>::new());
}

/// No flags: the cloud settings of the run choose the clouds.
#[tokio::test(flavor = "multi_thread")]
async fn cloud_settings_give_a_run_credentials_of_three_clouds() {
    let world = World::new(Engine::Sqlite).await;
    let settings = serde_json::json!({
        "aws": {"roleArn": world.role_arn, "region": "eu-central-1"},
        "azure": {"clientId": CLIENT_ID, "tenantId": TENANT},
        "gcp": {"projectId": "123456789012", "workloadPoolId": "runmint", "providerId": "runmint"},
    });
    let settings = variables(&[("RUNMINT_CLOUD_SETTINGS", &settings.to_string())]);
    let (azure, google) = (world.clouds.entra_url(), world.clouds.google_url());
    for (command, whoami) in [
        (python("boto3"), String::new()),
        (node("azure-identity"), format!("{azure}/whoami")),
        (python("google-auth"), format!("{google}/whoami")),
    ] {
        let environment =
            [world.for_exec(), settings.clone(), variables(&[("WHOAMI_URL", &whoami)])].concat();
        let mut client = Client::start(under_exec(&[], &command), &environment);
        let who = client.call().unwrap();
        assert!(who.contains(world.run_id()) || who.contains(&world.subject()), "{who}");
        assert_eq!(client.end(), Some(0));
    }
    let clouds = [&world.clouds.aws.sessions, &world.clouds.entra.sessions, &world.clouds.google.sessions];
    assert_eq!(clouds.map(Sessions::count), [1, 1, 1]);
}

/// GitHub's own library at the endpoint of the run, unaware of the real service.
#[tokio::test(flavor = "multi_thread")]
async fn actions_core_gets_tokens_under_exec() {
    let world = World::new(Engine::Sqlite).await;
    let mut client = Client::start(under_exec(&[], &node("actions-core")), &world.for_exec());
    assert_eq!(client.call(), Ok(format!("{} for sts.amazonaws.com", world.subject())));
    assert_eq!(client.end(), Some(0));
}

/// A killed process cannot clean up. What it leaves behind works only while its run could last, and the next
/// start removes it.
#[tokio::test(flavor = "multi_thread")]
async fn leftovers_of_a_killed_exec_end_with_the_run_and_are_removed() {
    let mut world = World::new(Engine::Sqlite).await;
    let ttl = SignedDuration::from_mins(10);
    world.run = world.app.start_run(&serde_json::json!({"ttl_seconds": ttl.as_secs()})).await;
    let environment = world.for_exec();
    let mut client = Client::start(under_exec(&world.aws_flags(), &python("boto3")), &environment);
    is_the_run(&world, "boto3", &client.call().unwrap());
    kill(client.id());
    drop(client);
    let left = left_behind(&world);
    let file = left.iter().find(|path| path.ends_with("aws.jwt")).expect("nobody was there to remove it");
    let token = std::fs::read_to_string(file).unwrap();
    assert_eq!(world.clouds.aws.refusal(&world.role_arn, &token).await, None, "the run goes on");

    // A token may outlive its run by a minute, and STS allows five minutes of leeway.
    world.app.clock.advance(ttl + DEADLINE_GRACE + SignedDuration::from_mins(5));
    let refusal = world.clouds.aws.refusal(&world.role_arn, &token).await.unwrap();
    assert!(refusal.starts_with("ExpiredTokenException"), "{refusal}");
    let asked = harness::run(world.inside(), &["id-token"], "").await;
    assert_ne!(asked.code, 0, "and there are no more: {}", asked.stdout);

    world.run = world.app.start_run(&serde_json::json!({})).await;
    let environment = world.for_exec();
    run(under_exec(&world.aws_flags(), &Command::new("true")), &environment).unwrap();
    assert_eq!(left_behind(&world), Vec::<PathBuf>::new(), "swept up");
}

#[track_caller]
fn is_the_run(site: &Site, client: &str, who: &str) {
    let role = "arn:aws:sts::111122223333:assumed-role/website-staging-update/";
    assert!(who.starts_with(role) && who.ends_with(site.run_id()), "{client} is {who}");
}

pub(super) fn flags(list: &[(&str, &str)]) -> Vec<String> {
    list.iter().flat_map(|&(name, value)| [name.to_owned(), value.to_owned()]).collect()
}

impl Site {
    pub(super) fn aws_flags(&self) -> Vec<String> {
        flags(&[("--aws-role-arn", &self.role_arn), ("--aws-region", "eu-central-1")])
    }

    #[expect(clippy::unused_self, reason = "beside the flags of the others")]
    pub(super) fn google_flags(&self) -> Vec<String> {
        let (project, name) = ("123456789012", "runmint");
        flags(&[("--gcp-project-number", project), ("--gcp-pool", name), ("--gcp-provider", name)])
    }

    /// The environment of `runmint exec`: the run and the addresses of the clouds.
    pub(super) fn for_exec(&self) -> Vec<(String, String)> {
        let google = self.clouds.google_url();
        let more = variables(&[
            ("TMPDIR", &self.folder.display().to_string()),
            ("AWS_ENDPOINT_URL_STS", &self.clouds.aws_url()),
            ("AZURE_AUTHORITY_HOST", &self.clouds.entra_url()),
            ("RUNMINT_GOOGLE_STS_URL", &format!("{google}/v1/token")),
            ("RUNMINT_GOOGLE_IAM_CREDENTIALS_URL", &format!("{google}/v1")),
            ("GOOGLE_CLOUD_PROJECT", "my-project"),
        ]);
        [self.base(), self.inside(), more].concat()
    }
}

/// Files that `runmint exec` did not remove.
fn left_behind(site: &Site) -> Vec<PathBuf> {
    fn files(folder: PathBuf) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files(path) } else { vec![path] }).collect()
    }
    let mut folders = std::fs::read_dir(&site.folder).unwrap().map(|entry| entry.unwrap().path());
    let ours = folders.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("runmint-"));
    files(ours.expect("it has a folder for its files"))
}

fn kill(id: u32) {
    assert!(Command::new("sh").args(["-c", &format!("kill -KILL {id}")]).status().unwrap().success());
}
