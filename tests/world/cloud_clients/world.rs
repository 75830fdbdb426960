use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use runmint::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::clouds::Clouds;
use crate::clouds::entra::{FederatedCredential, TENANT};
use crate::clouds::google::{POOL, Provider};
use crate::harness::{self, Engine, Setup, TestApp};

/// A service in this process with a manual clock, and its site.
pub(super) struct World {
    pub(super) app: TestApp,
    site: Site,
}

/// A run, and the three clouds that trust it.
pub(super) struct Site {
    pub(super) issuer: String,
    pub(super) folder: PathBuf,
    pub(super) clouds: Clouds,
    pub(super) run: Value,
    pub(super) role_arn: String,
}

pub(super) const AWS_AUDIENCE: &str = "sts.amazonaws.com";
pub(super) const AZURE_AUDIENCE: &str = "api://AzureADTokenExchange";
pub(super) const GOOGLE_AUDIENCE: &str = "https://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/runmint/providers/runmint";
pub(super) const CLIENT_ID: &str = "0f3a1c52-93be-4d7a-8a55-1d2e3f405162";
pub(super) const ACCOUNT: &str = "website-staging@my-project.iam.gserviceaccount.com";

impl World {
    pub(super) async fn new(engine: Engine) -> Self {
        Self::with(Setup::new(engine)).await
    }

    pub(super) async fn with(setup: Setup) -> Self {
        let app = setup.config("dev_tls = true").start(SystemClock.now()).run().await;
        let run = app.start_run(&json!({})).await;
        let site = Site::new(app.clock.clone(), &app.issuer, app.folder(), run).await;
        Self { app, site }
    }

    /// The id of the key that signs the run's tokens now.
    pub(super) async fn key_id(&self) -> String {
        part(&self.app.mint(&self.run, "").await, 0)["kid"].as_str().unwrap().to_owned()
    }
}

impl Deref for World {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Site {
        &mut self.site
    }
}

impl Site {
    /// The clouds fetch the service's keys over HTTPS and trust one kind of run. The service's certificate is
    /// from `tls/ca.pem` in its folder.
    pub(super) async fn new(clock: Arc<dyn Clock>, issuer: &str, folder: &Path, run: Value) -> Self {
        let authority = std::fs::read_to_string(folder.join("tls/ca.pem")).unwrap();
        let clouds = Clouds::start(clock, &authority, folder).await;
        clouds.aws.create_provider(issuer, &[AWS_AUDIENCE]);
        let (issuer, folder) = (issuer.to_owned(), folder.to_owned());
        let mut site = Self { issuer, folder, clouds, run, role_arn: String::new() };
        site.role_arn = site.trust_in_aws(&site.subject());
        site.trust_in_azure(&site.subject());
        site.trust_in_google(None);
        let member = format!("principal://iam.googleapis.com/{POOL}/subject/{}", site.subject());
        site.clouds.google.put_account(ACCOUNT, &[&member]);
        site
    }

    pub(super) fn run_id(&self) -> &str {
        self.run["id"].as_str().unwrap()
    }

    pub(super) fn subject(&self) -> String {
        self.run["subject"].as_str().unwrap().to_owned()
    }

    /// The role trusts only runs with this subject.
    pub(super) fn trust_in_aws(&self, subject: &str) -> String {
        let issuer = self.issuer.trim_start_matches("https://");
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": {"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{issuer}")},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {
                format!("{issuer}:aud"): AWS_AUDIENCE,
                format!("{issuer}:sub"): subject,
            }},
        }]});
        self.clouds.aws.put_role("website-staging-update", &policy)
    }

    /// The application has only this credential.
    pub(super) fn trust_in_azure(&self, subject: &str) {
        self.clouds.entra.remove_credentials();
        let credential = FederatedCredential {
            client_id: CLIENT_ID.to_owned(),
            issuer: self.issuer.clone(),
            subject: subject.to_owned(),
            audience: AZURE_AUDIENCE.to_owned(),
        };
        self.clouds.entra.add_credential(credential).unwrap();
    }

    pub(super) fn trust_in_google(&self, condition: Option<&str>) {
        let mapping = [("google.subject", "assertion.sub"), ("attribute.run_id", "assertion.run_id")];
        self.clouds.google.put_provider(Provider {
            name: "runmint".to_owned(),
            issuer: self.issuer.clone(),
            allowed_audiences: Vec::new(),
            mapping: mapping.map(|(target, source)| (target.to_owned(), source.to_owned())).to_vec(),
            condition: condition.map(str::to_owned),
        });
    }

    /// A token of the run in a file, written as `runmint id-token` prints it, without a line break.
    pub(super) async fn token_file(&self, name: &str, audience: &str) -> PathBuf {
        let token = harness::run(self.inside(), &["id-token", "--audience", audience], "").await.ok();
        let path = self.folder.join(name);
        // Written beside it and then renamed, so that a reader sees either version and never a mixture.
        let new = path.with_extension("new");
        std::fs::write(&new, token).unwrap();
        std::fs::rename(new, &path).unwrap();
        path
    }

    /// The variables that the orchestrator gives to the run.
    pub(super) fn inside(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        variables(&[
            ("RUNMINT_ID_TOKEN_REQUEST_URL", &text(&self.run["request_url"])),
            ("RUNMINT_ID_TOKEN_REQUEST_TOKEN", &text(&self.run["request_token"])),
            ("RUNMINT_RUN_ID", self.run_id()),
            ("RUNMINT_CA_FILE", &self.clouds.ca_file.display().to_string()),
        ])
    }

    /// The variables that every program needs, without the test's own environment.
    pub(super) fn base(&self) -> Vec<(String, String)> {
        let ca_file = self.clouds.ca_file.display().to_string();
        variables(&[
            ("PATH", &path()),
            ("HOME", &self.folder.display().to_string()),
            ("AWS_CA_BUNDLE", &ca_file),
            ("REQUESTS_CA_BUNDLE", &ca_file),
            ("NODE_EXTRA_CA_CERTS", &ca_file),
            // Libraries ask this to find out whether they run in a cloud.
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("NO_GCE_CHECK", "true"),
        ])
    }

    pub(super) async fn for_aws(&self) -> Vec<(String, String)> {
        let token_file = self.token_file("aws-token", AWS_AUDIENCE).await.display().to_string();
        let run = self.run["id"].as_str().unwrap();
        let more = variables(&[
            ("AWS_ROLE_ARN", &self.role_arn),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", &token_file),
            ("AWS_ROLE_SESSION_NAME", &format!("run-{run}")),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_DEFAULT_REGION", "eu-central-1"),
            ("AWS_ENDPOINT_URL_STS", &self.clouds.aws_url()),
        ]);
        [self.base(), more].concat()
    }

    pub(super) async fn for_azure(&self) -> Vec<(String, String)> {
        let token_file = self.token_file("azure-token", AZURE_AUDIENCE).await.display().to_string();
        let more = variables(&[
            ("AZURE_FEDERATED_TOKEN_FILE", &token_file),
            ("AZURE_CLIENT_ID", CLIENT_ID),
            ("AZURE_TENANT_ID", TENANT),
            ("AZURE_AUTHORITY_HOST", &self.clouds.entra_url()),
            ("WHOAMI_URL", &format!("{}/whoami", self.clouds.entra_url())),
        ]);
        [self.base(), more].concat()
    }

    /// `source` is the `credential_source` of an external account.
    pub(super) fn for_google(&self, source: &Value, impersonate: bool) -> Vec<(String, String)> {
        let base = self.clouds.google_url();
        let mut account = json!({
            "type": "external_account",
            "audience": GOOGLE_AUDIENCE.trim_start_matches("https:"),
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{base}/v1/token"),
            "credential_source": source,
        });
        if impersonate {
            let path = format!("/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken");
            account["service_account_impersonation_url"] = format!("{base}{path}").into();
        }
        let path = self.folder.join("google.json");
        std::fs::write(&path, account.to_string()).unwrap();
        let more = variables(&[
            ("GOOGLE_APPLICATION_CREDENTIALS", &path.display().to_string()),
            ("GOOGLE_CLOUD_PROJECT", "my-project"),
            ("WHOAMI_URL", &format!("{base}/whoami")),
        ]);
        [self.base(), more].concat()
    }

    /// Google's libraries fetch the token themselves.
    pub(super) fn url_source(&self) -> Value {
        let url = self.run["request_url"].as_str().unwrap();
        let token = self.run["request_token"].as_str().unwrap();
        json!({
            "url": format!("{url}&audience={GOOGLE_AUDIENCE}"),
            "headers": {"Authorization": format!("Bearer {token}")},
            "format": {"type": "json", "subject_token_field_name": "value"},
        })
    }
}

pub(super) fn variables(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

pub(super) fn claims(token: &str) -> Value {
    part(token, 1)
}

fn part(token: &str, number: usize) -> Value {
    let part = URL_SAFE_NO_PAD.decode(token.split('.').nth(number).unwrap()).unwrap();
    serde_json::from_slice(&part).unwrap()
}

pub(super) fn lasting(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

#[expect(clippy::disallowed_methods, reason = "programs are found as whoever runs the tests finds them")]
fn path() -> String {
    std::env::var("PATH").unwrap()
}
