//! A run that is started for a command and ended with it.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::api::runs::{Run, RunState, StartedRun};
use crate::cli::admin::run::start::Registration;
use crate::cli::api::client::Client;
use crate::cli::clouds::handover::flags::VARIABLE as SETTINGS_VARIABLE;
use crate::cli::clouds::handover::masking::Masking;
use crate::cli::clouds::handover::tokens::TokenSource;
use crate::cli::terminal::arguments::{attribute, duration};
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::safe;
use crate::clouds::handover::Handover;
use crate::clouds::settings::CloudSettings;
use crate::config::duration::TextDuration;
use crate::issuer::organization_name::OrganizationName;

const ENDING_ATTEMPTS: u32 = 3;
const ENDING_PAUSE: Duration = Duration::from_secs(1);

#[derive(Args)]
#[command(next_help_heading = "A run of its own")]
pub(super) struct OwnRunFlags {
    /// Start a run of this organization for the command, and end it afterwards
    #[arg(long, value_parser = OrganizationName::parse)]
    org: Option<OrganizationName>,
    /// The kind of run
    #[arg(long, default_value = "deploy", requires = "org")]
    service: String,
    /// The longest the run may take, e.g. 30m [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "org")]
    ttl: Option<TextDuration>,
    /// An audience that the run may request; may be repeated [default: any]
    #[arg(long = "audience", value_name = "AUDIENCE", requires = "org")]
    audiences: Vec<String>,
    /// An attribute of the run, which you vouch for; `deploy` needs project, stack and operation
    #[arg(value_name = "KEY=VALUE", value_parser = attribute, requires = "org")]
    attributes: Vec<(String, String)>,
}

pub(super) struct OwnRun {
    id: Uuid,
    client: Client,
    tokens: Arc<TokenSource>,
    settings: CloudSettings,
    url: String,
}

impl OwnRunFlags {
    /// `None` without `--org`: the command belongs to a run that already exists.
    pub(super) fn given(self) -> Result<Option<Registration>, Failure> {
        let Some(org) = self.org else { return Ok(None) };
        if self.attributes.is_empty() {
            return Err(Failure::usage(
                "--org starts a run, which needs attributes: project=website stack=prod operation=update",
            ));
        }
        let (service, attributes) = (self.service, self.attributes);
        Ok(Some(Registration { org, service, attributes, ttl: self.ttl, audiences: self.audiences }))
    }
}

fn settings_of(cloud: Map<String, Value>) -> Result<CloudSettings, Failure> {
    serde_json::from_value(Value::Object(cloud)).map_err(|error| {
        let error = safe(&error.to_string());
        Failure::failed(format!("could not read the cloud settings of the run: {error}"))
    })
}

impl OwnRun {
    pub(super) async fn start(registration: Registration, masking: &Masking) -> Result<Self, Failure> {
        let client = Client::from_environment()?;
        let StartedRun { run, request_url, request_token, environment } = registration.post("").await?.parsed;
        let id = run.id;
        masking.learn(&request_token);
        let usable = settings_of(run.cloud).and_then(|settings| {
            let tokens = TokenSource::new(&request_url, request_token.into())?;
            Ok((settings, Arc::new(tokens)))
        });
        let (settings, tokens) = match usable {
            Ok(usable) => usable,
            Err(failure) => {
                // Only this process knows the run, so it has to end it.
                let _ = client.post_empty::<Value>(&format!("/api/runs/{id}/cancel")).await;
                return Err(failure);
            }
        };
        Ok(Self { id, client, tokens, settings, url: environment.runmint_url })
    }

    pub(super) fn tokens(&self) -> Arc<TokenSource> {
        Arc::clone(&self.tokens)
    }

    pub(super) fn settings(&self) -> CloudSettings {
        self.settings.clone()
    }

    /// The command acts as the run, not as the caller who started it.
    pub(super) fn hand_over(&self, handover: &mut Handover) {
        handover.take_out(&["RUNMINT_ACCESS_TOKEN", "RUNMINT_ACCESS_TOKEN_FILE"]);
        handover.set("RUNMINT_RUN_ID", self.id.to_string());
        handover.set("RUNMINT_URL", self.url.as_str());
        // A nested `runmint exec` reads it, as in a run started elsewhere.
        if !self.settings.is_empty()
            && let Ok(settings) = serde_json::to_string(&self.settings)
        {
            handover.set(SETTINGS_VARIABLE, settings);
        }
    }

    /// A failure is only reported: the command's own exit code counts.
    pub(super) async fn end(self, is_done: bool, masking: &Masking) {
        let path = format!("/api/runs/{}/{}", self.id, if is_done { "finish" } else { "cancel" });
        let mut attempts = 0;
        while let Err(failure) = self.client.post_empty::<Value>(&path).await {
            // Already ended, by its deadline or by another caller.
            let run = self.client.get::<Run>(&format!("/api/runs/{}", self.id)).await;
            if run.is_ok_and(|run| run.parsed.state != RunState::Active) {
                return;
            }
            attempts += 1;
            if attempts == ENDING_ATTEMPTS {
                masking.say(&format!(
                    "could not end run {}: {failure}; it can request tokens until its deadline",
                    self.id
                ));
                return;
            }
            tokio::time::sleep(ENDING_PAUSE).await;
        }
    }
}
