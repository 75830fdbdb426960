//! Exchanges a run's tokens for cloud credentials over HTTPS, with retries if a failure may pass.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::jitter::random;
use super::masking::Masking;
use super::tokens::{NoToken, TokenSource};
use crate::cli::api::connection::{http, is_safe, read, unreachable};
use crate::cli::terminal::environment::variable;
use crate::cli::terminal::failure::Failure;
use crate::clock::{Clock, SystemClock};
use crate::clouds::exchange::aws::AwsCredentials;
use crate::clouds::exchange::google::{DEFAULT_UNIVERSE, GoogleEndpoints};
use crate::clouds::exchange::{
    AccessToken, ExchangeError, ExchangeRequest, MOST_ATTEMPTS, MOST_TIME, aws, azure, google, pause_after,
};
use crate::clouds::settings::{AwsSettings, AzureSettings, GcpSettings, Region, RoleSessionName};
use crate::entropy::SystemEntropy;

const TIMEOUT: Duration = Duration::from_secs(15);
/// Google's access tokens have up to 12 KB; a much larger answer is not a token.
const MOST_ANSWER_BYTES: usize = 256 * 1024;

/// The addresses of the clouds' token services, from the variables that their own tools read.
#[derive(Clone)]
pub(in crate::cli) struct Endpoints {
    sts: Option<String>,
    pub(in crate::cli) authority: Option<String>,
    pub(in crate::cli) google: GoogleEndpoints,
    pub(in crate::cli) region: Option<String>,
}

pub(in crate::cli) struct Exchanges {
    tokens: Arc<TokenSource>,
    endpoints: Endpoints,
    masking: Arc<Masking>,
}

/// Why an exchange yielded no credentials.
#[derive(Debug, Clone)]
pub(in crate::cli) enum NoCredentials {
    NoToken(NoToken),
    Refused(String),
    Unreachable(String),
}

/// A failed attempt.
struct Failed {
    why: NoCredentials,
    may_pass: bool,
}

impl Endpoints {
    pub(in crate::cli) fn from_environment() -> Self {
        let universe = variable("GOOGLE_CLOUD_UNIVERSE_DOMAIN");
        let mut google = GoogleEndpoints::of_universe(universe.as_deref().unwrap_or(DEFAULT_UNIVERSE));
        if let Some(url) = variable("RUNMINT_GOOGLE_STS_URL") {
            google.token_url = url;
        }
        if let Some(url) = variable("RUNMINT_GOOGLE_IAM_CREDENTIALS_URL") {
            url.trim_end_matches('/').clone_into(&mut google.iam_credentials_url);
        }
        Self {
            sts: variable("AWS_ENDPOINT_URL_STS").or_else(|| variable("AWS_ENDPOINT_URL")),
            authority: variable("AZURE_AUTHORITY_HOST"),
            google,
            region: variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")),
        }
    }

    fn sts(&self, settings: &AwsSettings) -> String {
        let region = settings.region.as_ref().map(Region::as_str).or(self.region.as_deref());
        self.sts.clone().unwrap_or_else(|| aws::endpoint(&settings.role_arn, region))
    }

    pub(in crate::cli) fn authority(&self) -> &str {
        self.authority.as_deref().unwrap_or(azure::AUTHORITY)
    }
}

impl Exchanges {
    pub(in crate::cli) fn new(tokens: Arc<TokenSource>, endpoints: Endpoints, masking: Arc<Masking>) -> Self {
        Self { tokens, endpoints, masking }
    }

    pub(in crate::cli) async fn aws(
        &self,
        settings: &AwsSettings,
        session_name: &RoleSessionName,
    ) -> Result<AwsCredentials, NoCredentials> {
        let mut retries = Retries::new(&self.masking);
        loop {
            match self.try_aws(settings, session_name).await {
                Ok(credentials) => return Ok(credentials),
                Err(failed) => retries.wait_or_give_up(failed).await?,
            }
        }
    }

    pub(in crate::cli) async fn azure(
        &self,
        settings: &AzureSettings,
        scope: &str,
    ) -> Result<AccessToken, NoCredentials> {
        let mut retries = Retries::new(&self.masking);
        loop {
            match self.try_azure(settings, scope).await {
                Ok(token) => return Ok(token),
                Err(failed) => retries.wait_or_give_up(failed).await?,
            }
        }
    }

    pub(in crate::cli) async fn google(&self, settings: &GcpSettings) -> Result<AccessToken, NoCredentials> {
        let mut retries = Retries::new(&self.masking);
        loop {
            match self.try_google(settings).await {
                Ok(token) => return Ok(token),
                Err(failed) => retries.wait_or_give_up(failed).await?,
            }
        }
    }

    async fn try_aws(
        &self,
        settings: &AwsSettings,
        session_name: &RoleSessionName,
    ) -> Result<AwsCredentials, Failed> {
        let token = self.token(settings.audience()).await?;
        let request = aws::request(&self.endpoints.sts(settings), settings, session_name, &token);
        let (status, body) = self.post(request).await?;
        let credentials = aws::read(status, &body)?;
        self.masking.learn(&credentials.secret_access_key);
        self.masking.learn(&credentials.session_token);
        Ok(credentials)
    }

    async fn try_azure(&self, settings: &AzureSettings, scope: &str) -> Result<AccessToken, Failed> {
        let token = self.token(settings.audience()).await?;
        let asked_at = SystemClock.now();
        let request = azure::request(self.endpoints.authority(), settings, scope, &token);
        let (status, body) = self.post(request).await?;
        self.learned(azure::read(status, &body, asked_at))
    }

    async fn try_google(&self, settings: &GcpSettings) -> Result<AccessToken, Failed> {
        let endpoints = &self.endpoints.google;
        let token = self.token(&settings.audience()).await?;
        let asked_at = SystemClock.now();
        let (status, body) = self.post(google::request(endpoints, settings, &token)).await?;
        let pool_token = self.learned(google::read(status, &body, asked_at))?;
        let Some(account) = &settings.service_account else { return Ok(pool_token) };
        let request = google::impersonation(endpoints, settings, account, &pool_token);
        let (status, body) = self.post(request).await?;
        self.learned(google::read_impersonation(status, &body))
    }

    /// A new token for each attempt: some services accept a token once only, and an old one may have expired.
    async fn token(&self, audience: &str) -> Result<Zeroizing<String>, Failed> {
        match self.tokens.token(Some(audience), None).await {
            Ok(token) => {
                self.masking.learn(&token.text);
                Ok(token.text)
            }
            Err(no_token) => {
                let may_pass = matches!(no_token, NoToken::Unavailable(_));
                Err(Failed { why: NoCredentials::NoToken(no_token), may_pass })
            }
        }
    }

    fn learned(&self, token: Result<AccessToken, ExchangeError>) -> Result<AccessToken, Failed> {
        let token = token?;
        self.masking.learn(&token.token);
        Ok(token)
    }

    async fn post(&self, request: ExchangeRequest) -> Result<(u16, Zeroizing<Vec<u8>>), Failed> {
        let final_refusal = |text: String| Failed { why: NoCredentials::Refused(text), may_pass: false };
        let url = Url::parse(&request.url)
            .map_err(|error| final_refusal(format!("could not read the token service's URL: {error}")))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        if !is_safe(&url) {
            return Err(final_refusal(format!("{host} is not https: the token would be sent unencrypted")));
        }
        let ca_file = variable("RUNMINT_CA_FILE");
        let client = http(ca_file.as_deref().map(Path::new), TIMEOUT, &url);
        let client = client.map_err(|failure| final_refusal(failure.to_string()))?;
        let mut post = client
            .post(url)
            .header("Content-Type", request.content_type)
            .header("Accept", request.accept)
            .body(request.body.as_bytes().to_vec());
        if let Some(bearer) = &request.bearer {
            post = post.bearer_auth(bearer.as_str());
        }
        let passing = |failure: Failure| Failed {
            why: NoCredentials::Unreachable(format!("{host}: {failure}")),
            may_pass: true,
        };
        let response = post.send().await.map_err(|error| passing(unreachable(&error.without_url())))?;
        let status = response.status().as_u16();
        let body = read(response, MOST_ANSWER_BYTES).await.map_err(passing)?;
        Ok((status, Zeroizing::new(body)))
    }
}

/// The attempts at one exchange so far.
struct Retries<'a> {
    masking: &'a Masking,
    began: Instant,
    attempts: u32,
}

impl<'a> Retries<'a> {
    fn new(masking: &'a Masking) -> Self {
        Self { masking, began: Instant::now(), attempts: 0 }
    }

    /// Waits until the next attempt is due.
    async fn wait_or_give_up(&mut self, failed: Failed) -> Result<(), NoCredentials> {
        let pause = pause_after(self.attempts, random(&SystemEntropy::new()));
        self.attempts += 1;
        let is_last = self.attempts == MOST_ATTEMPTS || self.began.elapsed() + pause > MOST_TIME;
        if is_last || !failed.may_pass {
            return Err(failed.why);
        }
        self.masking.say(&format!("{}; trying again in {:.1} s", failed.why.text(), pause.as_secs_f64()));
        sleep(pause).await;
        Ok(())
    }
}

impl NoCredentials {
    pub(in crate::cli) fn text(&self) -> &str {
        match self {
            Self::NoToken(no_token) => no_token.text(),
            Self::Refused(text) | Self::Unreachable(text) => text,
        }
    }
}

impl From<ExchangeError> for Failed {
    fn from(error: ExchangeError) -> Self {
        Self { may_pass: error.may_pass(), why: NoCredentials::Refused(error.to_string()) }
    }
}

impl From<NoCredentials> for Failure {
    fn from(none: NoCredentials) -> Self {
        match none {
            NoCredentials::NoToken(no_token) => no_token.into(),
            // The text comes from the token service.
            NoCredentials::Refused(text) => {
                let text = crate::cli::terminal::output::safe(&text);
                Self::failed(format!("{text}; `runmint diagnose` explains this error"))
            }
            NoCredentials::Unreachable(text) => Self::unreachable(text),
        }
    }
}
