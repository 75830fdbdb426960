//! Everything that a command gets: files, an endpoint, variables, and the tasks that keep them fresh.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::aws_session::{AwsSession, Kept};
use super::cli_cache::CliCache;
use super::endpoint::{Answers, Endpoint};
use super::mode::{GcpSource, Mode};
use super::renewal::{Pace, keep_renewing};
use super::run_directory::RunDirectory;
use super::token_files::{TokenFile, TokenFiles};
use crate::cli::clouds::handover::exchanges::{Endpoints, Exchanges};
use crate::cli::clouds::handover::jitter::random;
use crate::cli::clouds::handover::masking::Masking;
use crate::cli::clouds::handover::run_names::run_names;
use crate::cli::clouds::handover::tokens::TokenSource;
use crate::cli::terminal::environment::variable;
use crate::cli::terminal::failure::Failure;
use crate::clock::{Clock, SystemClock};
use crate::clouds::exchange::azure::management_scope;
use crate::clouds::handover::aws::AwsForm;
use crate::clouds::handover::azure::AzureForm;
use crate::clouds::handover::google::{GoogleForm, TokenSource as GoogleTokenSource};
use crate::clouds::handover::{Handover, LocalEndpoint, aws, azure, google};
use crate::clouds::session_name::session_name;
use crate::clouds::settings::{AwsSettings, AzureSettings, CloudSettings, GcpSettings, RoleSessionName};
use crate::entropy::SystemEntropy;

pub(super) struct Plan {
    pub(super) mode: Mode,
    pub(super) gcp_source: GcpSource,
    pub(super) settings: CloudSettings,
    pub(super) tokens: Arc<TokenSource>,
    pub(super) endpoints: Endpoints,
    pub(super) masking: Arc<Masking>,
    pub(super) handover: Handover,
}

/// Removed when dropped.
pub(super) struct Prepared {
    pub(super) handover: Handover,
    work: JoinSet<()>,
    /// `None` if nothing is on disk.
    directory: Option<Arc<RunDirectory>>,
    cli_cache: Option<CliCache>,
}

/// A plan that is being carried out.
struct Preparing {
    plan: Plan,
    exchanges: Arc<Exchanges>,
    local: LocalEndpoint,
    files: Option<Arc<TokenFiles>>,
    aws: Option<Arc<AwsSession>>,
    cli_cache: Option<CliCache>,
    work: JoinSet<()>,
}

impl Plan {
    pub(super) async fn prepare(self) -> Result<Prepared, Failure> {
        let (listener, local) = Endpoint::bind().await?.into_parts();
        self.masking.learn(&local.token);
        if self.settings.is_empty() {
            self.masking.say("no cloud is configured for this run, neither by flags nor by its organization: the command gets an endpoint for tokens, but no credentials");
        }
        let files = match self.mode {
            Mode::Token | Mode::Endpoint if !self.settings.is_empty() => Some(Arc::new(TokenFiles {
                directory: Arc::new(RunDirectory::create()?),
                tokens: Arc::clone(&self.tokens),
                masking: Arc::clone(&self.masking),
            })),
            _ => None,
        };
        let exchanges =
            Exchanges::new(Arc::clone(&self.tokens), self.endpoints.clone(), Arc::clone(&self.masking));
        let settings = self.settings.clone();
        let mut preparing = Preparing {
            plan: self,
            exchanges: Arc::new(exchanges),
            local,
            files,
            aws: None,
            cli_cache: None,
            work: JoinSet::new(),
        };
        if let Some(settings) = &settings.aws {
            preparing.aws(settings).await?;
        }
        if let Some(settings) = &settings.azure {
            preparing.azure(settings).await?;
        }
        if let Some(settings) = &settings.gcp {
            preparing.google(settings).await?;
        }
        Ok(preparing.finish(listener))
    }
}

impl Preparing {
    async fn aws(&mut self, settings: &AwsSettings) -> Result<(), Failure> {
        // No variable tells an SDK the duration of a session or the policies that narrow it. Without them the session
        // would be allowed more than configured, so this process makes the exchange.
        let is_plain = settings.policy_arns.is_empty() && settings.duration.is_none();
        let region = self.plan.endpoints.region.clone();
        if settings.region.is_none() && region.is_none() {
            self.plan
                .masking
                .say("no AWS region is set, and most AWS clients need one: set --aws-region or AWS_REGION");
        }
        let files = self.files.clone().filter(|_| is_plain && self.plan.mode == Mode::Token);
        if let Some(files) = files {
            let file = TokenFile { name: "aws.jwt", audience: settings.audience().to_owned() };
            let (written, token) = files.begin(file).await?;
            let session_name = self.session_name(settings, Some(&token.claims)).await?;
            let home = variable("HOME");
            self.cli_cache = home.map(|home| CliCache::of(Path::new(&home), settings, &session_name));
            let path = files.directory.path("aws.jwt");
            let form = AwsForm::TokenFile { path: &path, session_name: &session_name };
            aws::hand_over(&mut self.plan.handover, settings, &form, region.as_deref());
            self.work.spawn(async move { files.keep(written, &RealPace).await });
            return Ok(());
        }
        let session_name = self.session_name(settings, None).await?;
        if self.plan.mode == Mode::Credentials {
            let credentials = self.exchanges.aws(settings, &session_name).await?;
            self.say_end("AWS", credentials.expires_at);
            aws::hand_over(
                &mut self.plan.handover,
                settings,
                &AwsForm::Credentials(&credentials),
                region.as_deref(),
            );
            return Ok(());
        }
        let begun = AwsSession::begin(Arc::clone(&self.exchanges), settings.clone(), session_name).await;
        let (session, lease) = begun?;
        let session = Arc::new(session);
        let kept = Kept { session: Arc::clone(&session), masking: Arc::clone(&self.plan.masking) };
        self.work.spawn(keep_renewing(kept, lease, &RealPace));
        self.aws = Some(session);
        let form = AwsForm::Endpoint(&self.local);
        aws::hand_over(&mut self.plan.handover, settings, &form, region.as_deref());
        Ok(())
    }

    async fn azure(&mut self, settings: &AzureSettings) -> Result<(), Failure> {
        let mut path = None;
        if let Some(files) = self.files.clone().filter(|_| self.plan.mode == Mode::Token) {
            let file = TokenFile { name: "azure.jwt", audience: settings.audience().to_owned() };
            let (written, _) = files.begin(file).await?;
            path = Some(files.directory.path("azure.jwt"));
            self.work.spawn(async move { files.keep(written, &RealPace).await });
        }
        let mut access_token = None;
        if self.plan.mode == Mode::Credentials {
            let scope = management_scope(self.plan.endpoints.authority());
            let token = self.exchanges.azure(settings, scope).await?;
            self.say_end("Azure", token.expires_at);
            access_token = Some(token);
        }
        let form = AzureForm {
            token_file: path.as_deref(),
            access_token: access_token.as_ref(),
            endpoint: &self.local,
            authority: self.plan.endpoints.authority.as_deref(),
        };
        azure::hand_over(&mut self.plan.handover, settings, &form);
        Ok(())
    }

    async fn google(&mut self, settings: &GcpSettings) -> Result<(), Failure> {
        let Some(files) = self.files.clone() else {
            let token = self.exchanges.google(settings).await?;
            self.say_end("Google Cloud", token.expires_at);
            google::hand_over(&mut self.plan.handover, settings, &GoogleForm::AccessToken(&token));
            return Ok(());
        };
        let (audience, authorization) = (settings.audience(), self.local.authorization());
        let url = self.local.id_token_url_for(&audience);
        let path = files.directory.path("google.jwt");
        let source = match self.plan.gcp_source {
            GcpSource::File if self.plan.mode == Mode::Token => {
                let (written, _) = files.begin(TokenFile { name: "google.jwt", audience }).await?;
                let files = Arc::clone(&files);
                self.work.spawn(async move { files.keep(written, &RealPace).await });
                GoogleTokenSource::File(&path)
            }
            GcpSource::File => {
                return Err(Failure::usage(
                    "--gcp-source file needs --mode token: the other modes write no token to disk",
                ));
            }
            GcpSource::Url => GoogleTokenSource::Url { url: &url, authorization: &authorization },
        };
        let configuration = google::configuration(&self.plan.endpoints.google, settings, &source).to_string();
        let written = files.directory.write("google.json", &configuration);
        written.map_err(|error| Failure::failed(format!("could not write google.json: {error}")))?;
        let form = files.directory.path("google.json");
        google::hand_over(&mut self.plan.handover, settings, &GoogleForm::Configuration(&form));
        Ok(())
    }

    fn finish(mut self, listener: tokio::net::TcpListener) -> Prepared {
        let Plan { mut handover, tokens, masking, .. } = self.plan;
        handover.request_protocol(&self.local);
        handover.past_proxies(&variable);
        let taken_out = handover.taken_out_of(&variable);
        if !taken_out.is_empty() {
            let names = taken_out.join(", ");
            masking.say(&format!(
                "removed from the command's environment, because the command acts as the run: {names}"
            ));
        }
        let answers = Answers {
            host: self.local.origin.trim_start_matches("http://").to_owned(),
            authorization: self.local.authorization(),
            tokens,
            aws: self.aws,
            masking,
        };
        self.work.spawn(Endpoint::serve(listener, Arc::new(answers)));
        let directory = self.files.map(|files| Arc::clone(&files.directory));
        Prepared { handover, work: self.work, directory, cli_cache: self.cli_cache }
    }

    /// The configured session name, or one made from the claims of the run's tokens.
    async fn session_name(
        &self,
        settings: &AwsSettings,
        claims: Option<&serde_json::Map<String, serde_json::Value>>,
    ) -> Result<RoleSessionName, Failure> {
        if let Some(name) = &settings.session_name {
            return Ok(name.clone());
        }
        let run_id = variable("RUNMINT_RUN_ID");
        if let Some(claims) = claims {
            return Ok(session_name(&run_names(claims, run_id.as_deref())));
        }
        let token = self.plan.tokens.first_token(settings.audience(), None).await?;
        self.plan.masking.learn(&token.text);
        Ok(session_name(&run_names(&token.claims, run_id.as_deref())))
    }

    fn say_end(&self, cloud: &str, end: Timestamp) {
        self.plan.masking.say(&format!("credentials for {cloud} are valid until {end} and are not renewed"));
    }
}

impl Prepared {
    /// Stops all tasks first, so that they write nothing more.
    pub(super) async fn remove(mut self) {
        self.work.shutdown().await;
        drop((self.directory, self.cli_cache));
    }
}

/// The clock of this machine.
struct RealPace;

impl Pace for RealPace {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn random(&self) -> f64 {
        random(&SystemEntropy::new())
    }
}
