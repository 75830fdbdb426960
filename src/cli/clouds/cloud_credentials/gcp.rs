//! `runmint credentials gcp`

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::means::{Means, json_line};
use crate::cli::clouds::handover::flags::{GcpFlags, inherited};
use crate::cli::terminal::environment::variable;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::print_text;
use crate::clouds::exchange::google::TOKEN_TYPE;
use crate::clouds::handover::google::{TokenSource, configuration};
use crate::clouds::settings::GcpSettings;

/// Google's libraries set it for the executable that they start (google.aip.dev/auth/4117).
const AUDIENCE_VARIABLE: &str = "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE";

/// Inside a run: print its token, a credential configuration or an access token for Google Cloud
///
/// Asks Google's Security Token Service, or the URLs in RUNMINT_GOOGLE_STS_URL and
/// RUNMINT_GOOGLE_IAM_CREDENTIALS_URL; GOOGLE_CLOUD_UNIVERSE_DOMAIN selects another universe domain.
#[derive(Args)]
#[command(after_help = "Examples:
  export CLOUDSDK_AUTH_ACCESS_TOKEN=\"$(runmint credentials gcp --format access-token)\"

  A configuration for GOOGLE_APPLICATION_CREDENTIALS; it contains the run's request token, a secret:
  (umask 077; runmint credentials gcp --format file > google.json)

  As the executable of your own configuration (\"executable\": {\"command\": …}), which needs
  GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1; Google's libraries name the provider:
  runmint credentials gcp --format executable")]
pub(in crate::cli) struct Gcp {
    /// The output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    flags: GcpFlags,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The run's token, as Google's libraries expect it from an executable
    #[default]
    Executable,
    /// A credential configuration that requests the run's tokens
    File,
    /// The access token and nothing else
    AccessToken,
}

/// The output of an executable that has a token (google.aip.dev/auth/4117).
#[derive(Serialize)]
struct Granted<'a> {
    version: u8,
    success: bool,
    token_type: &'a str,
    id_token: &'a str,
    /// Unix time, seconds.
    expiration_time: i64,
}

/// The output of an executable that has none.
#[derive(Serialize)]
struct Refused {
    version: u8,
    success: bool,
    code: &'static str,
    message: String,
}

impl Gcp {
    pub(super) async fn execute(self) -> Result<(), Failure> {
        let is_executable = self.format == Format::Executable;
        let printed = self.text().await;
        if let Err(failure) = &printed
            && is_executable
        {
            let refused =
                Refused { version: 1, success: false, code: "RUNMINT", message: failure.to_string() };
            print_text(&json_line(&refused))?;
        }
        print_text(&printed?)
    }

    async fn text(self) -> Result<String, Failure> {
        let settings = match self.flags.settings()? {
            Some(settings) => Some(settings),
            None => inherited()?.gcp,
        };
        let known = || {
            Failure::usage(
                "no workload identity pool provider is set: use --gcp-project-number, --gcp-pool and --gcp-provider, or RUNMINT_CLOUD_SETTINGS with `gcp`",
            )
        };
        let means = Means::find()?;
        match self.format {
            Format::Executable => {
                let audience = settings.as_ref().map(GcpSettings::audience).or_else(audience_of_the_library);
                executable(&means, &audience.ok_or_else(known)?).await
            }
            Format::File => Ok(file(&means, &settings.ok_or_else(known)?)),
            Format::AccessToken => {
                let token = means.exchanges.google(&settings.ok_or_else(known)?).await?;
                Ok(token.token.to_string())
            }
        }
    }
}

async fn executable(means: &Means, audience: &str) -> Result<String, Failure> {
    let token = means.tokens.token(Some(audience), None).await?;
    means.masking.learn(&token.text);
    Ok(json_line(&Granted {
        version: 1,
        success: true,
        token_type: TOKEN_TYPE,
        id_token: &token.text,
        expiration_time: token.exp,
    }))
}

fn file(means: &Means, settings: &GcpSettings) -> String {
    let (url, request_token) = means.tokens.request_for(&settings.audience());
    means.masking.learn(request_token);
    let authorization = format!("Bearer {request_token}");
    let source = TokenSource::Url { url: &url, authorization: &authorization };
    format!("{}\n", configuration(&means.endpoints.google, settings, &source))
}

/// The provider's resource name, with the scheme of its default audience.
fn audience_of_the_library() -> Option<String> {
    let provider = variable(AUDIENCE_VARIABLE)?;
    provider.starts_with("//iam.googleapis.com/").then(|| format!("https:{provider}"))
}
