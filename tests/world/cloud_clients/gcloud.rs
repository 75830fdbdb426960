//! Google's command line, if it is installed: no registry offers it to the tests.

use std::process::Command;

use super::client::{Call, run};
use super::google::caller;
use super::renews;
use super::world::{World, lasting, variables};
use crate::harness::Engine;

#[tokio::test(flavor = "multi_thread")]
async fn gcloud_gets_and_renews_credentials_and_reports_refusals() {
    if Command::new("gcloud").arg("version").output().is_err() {
        eprintln!("NOT CHECKED: gcloud is not installed");
        return;
    }
    let world = World::new(Engine::Sqlite).await;
    let config = world.folder.join("gcloud").display().to_string();
    let account = world.folder.join("google.json").display().to_string();
    let more = variables(&[
        ("CLOUDSDK_CONFIG", &config),
        ("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", &account),
        ("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", &world.clouds.ca_file.display().to_string()),
        ("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING", "true"),
        ("CLOUDSDK_CORE_CHECK_GCE_METADATA", "false"),
    ]);
    let environment = [world.for_google(&world.url_source(), true), more].concat();
    let sessions = &world.clouds.google.sessions;
    // Each call is a separate process. It reuses a credential only if more than an hour remains.
    sessions.live_for(lasting(226));
    let whoami = format!("{}/whoami", world.clouds.google_url());
    renews(sessions, &caller(&world, true), || call(&environment, &world, &whoami));
    world.trust_in_google(Some("assertion.stack == 'prod'"));
    let refused = call(&environment, &world, &whoami).unwrap_err();
    assert!(refused.contains("The given credential is rejected by the attribute condition."), "{refused}");
}

/// Shows the token that it prints to the cloud.
fn call(environment: &[(String, String)], world: &World, whoami: &str) -> Call {
    let mut gcloud = Command::new("gcloud");
    gcloud.args(["auth", "print-access-token", "--quiet"]);
    let token = run(gcloud, environment)?;
    tokio::task::block_in_place(|| {
        tokio::runtime::Handle::current().block_on(async {
            let authorities = std::fs::read(&world.clouds.ca_file).unwrap();
            let authorities = reqwest::Certificate::from_pem_bundle(&authorities).unwrap();
            let http = reqwest::Client::builder().tls_certs_only(authorities).no_proxy().build().unwrap();
            let answer = http.get(whoami).bearer_auth(token).send().await.unwrap();
            Ok(answer.text().await.unwrap())
        })
    })
}
