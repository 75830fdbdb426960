//! `runmint exec`

mod aws_session;
mod child;
mod cli_cache;
mod endpoint;
mod mode;
mod own_run;
mod preparation;
mod renewal;
mod run_directory;
mod signals;
mod token_files;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use self::mode::{GcpSource, Mode};
use self::own_run::{OwnRun, OwnRunFlags};
use self::preparation::{Plan, Prepared};
use self::signals::Signals;
use crate::cli::clouds::handover::exchanges::Endpoints;
use crate::cli::clouds::handover::flags::CloudFlags;
use crate::cli::clouds::handover::masking::Masking;
use crate::cli::clouds::handover::tokens::TokenSource;
use crate::cli::terminal::failure::Failure;
use crate::clouds::handover::Handover;
use crate::clouds::settings::CloudSettings;

/// Run a command with credentials for AWS, Azure and Google Cloud
///
/// Sets the variables that unmodified SDKs and tools look for, renews tokens while the command runs, removes everything
/// when it ends, and exits with its exit code. Without --org it uses the run that it is part of
/// (RUNMINT_ID_TOKEN_REQUEST_URL and _TOKEN, or ACTIONS_…); with --org it starts a run and ends it afterwards.
/// Flags name the clouds; a cloud without flags is taken from RUNMINT_CLOUD_SETTINGS, the settings of the organization.
#[derive(Args)]
#[command(after_help = "\
Examples:
  runmint exec -- terraform apply            in a run whose organization has cloud settings
  runmint exec --aws-role-arn arn:aws:iam::123456789012:role/deploy --aws-region eu-central-1 \\
    -- aws s3 sync build s3://website
  runmint exec --org acme project=website stack=prod operation=update -- pulumi up
  runmint exec --gcp-project-number 123456789012 --gcp-pool runmint --gcp-provider runmint \\
    --gcp-service-account deploy@acme-prod.iam.gserviceaccount.com -- gcloud storage ls
  runmint exec --mode credentials --aws-role-arn ARN -- ./old-tool

What the command gets:
              --mode token (default)           --mode endpoint        --mode credentials
  AWS         a token file, role and           an endpoint on         access key, secret key
              session name                     127.0.0.1              and session token
  Azure       a token file; for Terraform      for Terraform          the same, and
              an endpoint on 127.0.0.1         the same               AZURE_ACCESS_TOKEN
  Google      a credential configuration       the same               an access token
              that asks 127.0.0.1
  any         ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN on 127.0.0.1, as in GitHub Actions

Tokens and endpoint credentials are renewed; credentials of --mode credentials expire for good. Exit
code: the command's own, 128 plus the number of the signal that ended it, 127 if the command was not
found, 126 if it could not be executed.")]
pub(in crate::cli) struct Exec {
    /// How the command gets credentials
    #[arg(long, value_enum, default_value_t)]
    mode: Mode,
    /// Where Google's libraries get the run's token
    #[arg(long, value_enum, default_value_t, help_heading = "Google Cloud")]
    gcp_source: GcpSource,
    #[command(flatten)]
    clouds: CloudFlags,
    #[command(flatten)]
    own_run: OwnRunFlags,
    /// The command and its arguments, after --
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Exec {
    pub(in crate::cli) async fn execute(self) -> Result<ExitCode, Failure> {
        let mut signals = Signals::listen()?;
        let masking = Arc::new(Masking::from_environment());
        let flags = self.clouds;
        let of_command = Command { mode: self.mode, gcp_source: self.gcp_source, arguments: self.command };
        let Some(flags_of_run) = self.own_run.given()? else {
            let tokens = Arc::new(TokenSource::of_the_run()?);
            let settings = flags.settings_or_inherited()?;
            let plan = of_command.plan(tokens, settings, &masking);
            return Ok(ExitCode::from(of_command.run(plan, &mut signals).await?.code));
        };
        let own_run = tokio::select! {
            started = OwnRun::start(flags_of_run, &masking) => started?,
            // If the server started the run, it ends at its deadline: its token never left this process.
            stop = signals.stop() => return Ok(ExitCode::from(stop.exit_code())),
        };
        let done = match flags.settings() {
            Ok(settings) => {
                let mut plan = of_command.plan(own_run.tokens(), settings.or(own_run.settings()), &masking);
                own_run.hand_over(&mut plan.handover);
                of_command.run(plan, &mut signals).await
            }
            Err(failure) => Err(failure),
        };
        own_run.end(done.as_ref().is_ok_and(|ended| !ended.was_stopped), &masking).await;
        Ok(ExitCode::from(done?.code))
    }
}

struct Command {
    mode: Mode,
    gcp_source: GcpSource,
    arguments: Vec<OsString>,
}

impl Command {
    fn plan(&self, tokens: Arc<TokenSource>, settings: CloudSettings, masking: &Arc<Masking>) -> Plan {
        let endpoints = Endpoints::from_environment();
        Plan {
            mode: self.mode,
            gcp_source: self.gcp_source,
            settings,
            tokens,
            endpoints,
            masking: Arc::clone(masking),
            handover: Handover::default(),
        }
    }

    /// Prepares, runs the command, and cleans up however the command ends.
    async fn run(&self, plan: Plan, signals: &mut Signals) -> Result<child::Ended, Failure> {
        let prepared: Prepared = tokio::select! {
            prepared = plan.prepare() => prepared?,
            stop = signals.stop() => return Ok(child::Ended { code: stop.exit_code(), was_stopped: true }),
        };
        let child = child::start(&self.arguments, &prepared.handover)?;
        let ended = child::wait(child, signals).await;
        prepared.remove().await;
        ended
    }
}
