//! `runmint trust gcp`

use clap::Args;

use super::remarks::{RelyingParty, remarks};
use super::runs::Runs;
use super::written::{Form, digits, given, not_for, print_json, print_text};
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::Format;
use crate::clouds::trust_documents::google::GoogleTarget;

/// Write a workload identity pool and its provider, by which Google Cloud trusts runs
///
/// The attribute condition compares the subject itself. `google.subject` is limited to 127 bytes; if subjects may be
/// longer, it is mapped to the run's id. Keep the pool to runmint: another provider in it could map the same
/// attributes.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint trust gcp --org acme --project website --stack prod --operation update \\
    --project-number 123456789012 --pool runmint --provider acme \\
    --service-account deploy@my-project.iam.gserviceaccount.com > runmint.tf
  runmint trust gcp --org acme --project website --project-number 123456789012 --pool runmint --provider acme \\
    --format json | runmint trust test - --org acme --runs last:500")]
pub(in crate::cli) struct Gcp {
    #[command(flatten)]
    runs: Runs,
    /// The number of the Google Cloud project, not its name
    #[arg(long, value_parser = digits)]
    project_number: String,
    /// The workload identity pool
    #[arg(long, value_parser = given)]
    pool: String,
    /// The provider in the pool
    #[arg(long, value_parser = given)]
    provider: String,
    /// A service account that runs may impersonate
    #[arg(long, value_name = "EMAIL", value_parser = given)]
    service_account: Option<String>,
    /// `aud` of the tokens [default: the provider's resource name]
    #[arg(long)]
    audience: Option<String>,
    /// The output format
    #[arg(long, value_enum, default_value = "terraform")]
    format: Form,
}

impl Gcp {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let Self { runs, project_number, pool, provider, service_account, audience, format } = self;
        for id in [&pool, &provider] {
            let plain = id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            if !(4..=32).contains(&id.len()) || !plain || id.starts_with("gcp-") {
                return Err(Failure::usage(format!(
                    "`{id}` is not a valid pool or provider ID: use 4 to 32 lower-case letters, digits and dashes, not beginning with gcp-"
                )));
            }
        }
        let target = GoogleTarget { project_number, pool, provider, service_account };
        let grant = runs.grant(audience.unwrap_or_else(|| target.audience())).await?;
        remarks(&grant, RelyingParty::Google, output);
        match format {
            Form::Json => print_json(output, &target.json(&grant)?),
            Form::Terraform => print_text(output, &target.terraform(&grant)?),
            Form::Cli => print_text(output, &target.cli(&grant)?),
            Form::Cloudformation => Err(not_for(format, "Google Cloud", "use terraform, cli or json")),
        }
    }
}
