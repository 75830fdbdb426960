//! `runmint credentials`.

use serde_json::{Value, json};

use super::token_service::TokenService;
use super::{AWS, AZURE, GCP, Machine};
use crate::harness::{Ended, run};

const REFUSED: &str = "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>Incorrect token audience</Message></Error></ErrorResponse>";
const UNREACHED: &str = "<ErrorResponse><Error><Code>IDPCommunicationError</Code><Message>Later</Message></Error></ErrorResponse>";

struct Asking {
    machine: Machine,
    service: TokenService,
    environment: Vec<(String, String)>,
    run: Value,
}

impl Asking {
    async fn start() -> Self {
        let (machine, service) = (Machine::start().await, TokenService::start().await);
        let (run, environment) = machine.run().await;
        let environment = [environment, service.variables()].concat();
        Self { machine, service, environment, run }
    }

    async fn ask(&self, cloud: &str, flags: &[&str]) -> Ended {
        run(self.environment.clone(), &[&["credentials", cloud], flags].concat(), "").await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aws_gets_a_session_named_after_the_run_in_each_format() {
    let asking = Asking::start().await;
    let process = asking.ask("aws", &AWS).await.json();
    assert_eq!((&process["Version"], &process["SessionToken"]), (&json!(1), &json!("aws-session")));
    let id = asking.run["id"].as_str().unwrap();
    let (_, body) = &asking.service.asked()[0];
    assert!(body.contains(&format!("&RoleSessionName=acme-website-staging-update-{id}&")), "{body}");
    let exports = asking.ask("aws", &[&AWS[..], &["--format", "env"]].concat()).await.ok();
    assert!(exports.contains("export AWS_SECRET_ACCESS_KEY='aws-secret'\n"), "{exports}");
    let document = asking.ask("aws", &[&AWS[..], &["--format", "json"]].concat()).await.json();
    assert_eq!(document["expires_at"], "2099-01-01T00:00:00Z");
    asking.ask("aws", &[]).await.fails(2, "no AWS role is set");
    drop(asking.machine);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn temporary_failures_are_retried_and_refusals_reported_at_once() {
    let asking = Asking::start().await;
    asking.service.refuse(400, UNREACHED);
    let again = asking.ask("aws", &AWS).await;
    assert!(
        again.stderr.contains("AWS STS refuses: IDPCommunicationError: Later (HTTP 400); trying again in ")
    );
    again.ok();
    assert_eq!(asking.service.asked().len(), 2);
    let token = |body: &str| body.split("WebIdentityToken=").nth(1).unwrap().to_owned();
    let asked = asking.service.asked();
    assert_ne!(token(&asked[0].1), token(&asked[1].1), "with a new token");
    asking.service.refuse(400, REFUSED);
    asking.ask("aws", &AWS).await.fails(1, "AWS STS refuses: InvalidIdentityToken: Incorrect token audience");
    assert_eq!(asking.service.asked().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azure_gets_an_access_token_in_each_format() {
    let asking = Asking::start().await;
    let document = asking.ask("azure", &AZURE).await.json();
    assert_eq!(
        (&document["access_token"], &document["tenant_id"]),
        (&json!("azure-access"), &json!(AZURE[3]))
    );
    let (_, body) = &asking.service.asked()[0];
    assert!(body.contains("scope=https%3A%2F%2Fmanagement.azure.com%2F.default"), "{body}");
    let scope = ["--azure-scope", "https://vault.azure.net/.default", "--format", "access-token"];
    assert_eq!(asking.ask("azure", &[&AZURE[..], &scope].concat()).await.ok(), "azure-access");
    assert!(asking.service.asked()[1].1.contains("scope=https%3A%2F%2Fvault.azure.net%2F.default"));
    let exports = asking.ask("azure", &[&AZURE[..], &["--format", "env"]].concat()).await.ok();
    assert!(exports.starts_with("export AZURE_ACCESS_TOKEN='azure-access'\n"), "{exports}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn google_gets_a_token_a_configuration_or_an_access_token() {
    let asking = Asking::start().await;
    let told = asking.ask("gcp", &GCP).await.json();
    assert_eq!((&told["version"], &told["success"]), (&json!(1), &json!(true)));
    assert_eq!(told["token_type"], "urn:ietf:params:oauth:token-type:jwt");
    let claims = super::handing_over::claims(told["id_token"].as_str().unwrap());
    assert_eq!(claims["exp"], told["expiration_time"]);
    let provider =
        "//iam.googleapis.com/projects/42/locations/global/workloadIdentityPools/pool/providers/provider";
    assert_eq!(claims["aud"], format!("https:{provider}"));

    let file = asking.ask("gcp", &[&GCP[..], &["--format", "file"]].concat()).await.json();
    let source = &file["credential_source"];
    let answer = asking.machine.app.http.get(source["url"].as_str().unwrap());
    let answer = answer.header("authorization", source["headers"]["Authorization"].as_str().unwrap());
    let answer: Value = answer.send().await.unwrap().json().await.unwrap();
    let field = source["format"]["subject_token_field_name"].as_str().unwrap();
    assert_eq!(super::handing_over::claims(answer[field].as_str().unwrap())["aud"], claims["aud"]);
    assert_eq!(
        asking.ask("gcp", &[&GCP[..], &["--format", "access-token"]].concat()).await.ok(),
        "google-pool"
    );

    // As Google's libraries start it.
    let mut environment = asking.environment.clone();
    environment.push(("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE".into(), provider.into()));
    let told = run(environment, &["credentials", "gcp"], "").await.json();
    assert_eq!(super::handing_over::claims(told["id_token"].as_str().unwrap())["aud"], claims["aud"]);
    let refused = asking.ask("gcp", &[]).await;
    let told: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!((&told["success"], refused.code), (&json!(false), 2));
    assert!(told["message"].as_str().unwrap().contains("no workload identity pool provider is set"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_masked_before_they_are_printed() {
    let asking = Asking::start().await;
    let mut environment = asking.environment.clone();
    environment.push(("GITHUB_ACTIONS".into(), "true".into()));
    let ended = run(environment, &[&["credentials", "aws"], &AWS[..]].concat(), "").await;
    for secret in ["aws-secret", "aws-session"] {
        assert!(ended.stderr.contains(&format!("::add-mask::{secret}\n")), "{}", ended.stderr);
    }
    let ended = asking.ask("aws", &AWS).await;
    assert_eq!(ended.stderr, "");
}
