//! `runmint trust vault`

use clap::Args;

use super::remarks::{RelyingParty, remarks};
use super::runs::Runs;
use super::written::{Form, given, not_for, print_json, print_text};
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::Format;
use crate::clouds::trust_documents::vault::VaultTarget;

/// Write the JWT auth method and the role with which Vault or OpenBao trusts runs
#[derive(Args)]
#[command(after_help = "Examples:
  runmint trust vault --org acme --project website --stack prod --operation update \\
    --role-name website --policy website-deploy --audience https://vault.example.com --format cli | sh
  runmint trust vault --org acme --project website --role-name website --policy website-read \\
    --audience https://vault.example.com --format json > role.json")]
pub(in crate::cli) struct Vault {
    #[command(flatten)]
    runs: Runs,
    /// The role that runs log in by
    #[arg(long, value_parser = given)]
    role_name: String,
    /// A policy that they get; may be repeated
    #[arg(long = "policy", value_name = "POLICY", required = true, value_parser = given)]
    policies: Vec<String>,
    /// Where the auth method is mounted
    #[arg(long, default_value = "jwt", value_parser = given)]
    mount: String,
    /// `aud` of the tokens: what only this Vault takes, e.g. its URL
    #[arg(long, value_parser = given)]
    audience: String,
    /// What to write
    #[arg(long, value_enum, default_value = "terraform")]
    format: Form,
}

impl Vault {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let Self { runs, role_name, policies, mount, audience, format } = self;
        let grant = runs.grant(audience).await?;
        remarks(&grant, RelyingParty::Vault, output);
        let target = VaultTarget { role_name, mount, policies };
        match format {
            Form::Json => print_json(output, &target.json(&grant)?),
            Form::Terraform => print_text(output, &target.terraform(&grant)?),
            Form::Cli => print_text(output, &target.cli(&grant)?),
            Form::Cloudformation => Err(not_for(format, "Vault", "terraform, cli and json are")),
        }
    }
}
