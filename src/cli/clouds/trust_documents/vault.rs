//! `runmint trust vault`

use clap::Args;

use super::remarks::{RelyingParty, remarks};
use super::runs::Runs;
use super::written::{Form, given, not_for, print_json, print_text};
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::Format;
use crate::clouds::trust_documents::vault::VaultTarget;

/// Write a JWT auth method and its role, by which Vault or OpenBao trusts runs
#[derive(Args)]
#[command(after_help = "Examples:
  runmint trust vault --org acme --project website --stack prod --operation update \\
    --role-name website --policy website-deploy --audience https://vault.example.com --format cli | sh
  runmint trust vault --org acme --project website --role-name website --policy website-read \\
    --audience https://vault.example.com --format json > role.json")]
pub(in crate::cli) struct Vault {
    #[command(flatten)]
    runs: Runs,
    /// The role that runs log in with
    #[arg(long, value_parser = given)]
    role_name: String,
    /// A policy of the role; may be repeated
    #[arg(long = "policy", value_name = "POLICY", required = true, value_parser = given)]
    policies: Vec<String>,
    /// The mount path of the auth method
    #[arg(long, default_value = "jwt", value_parser = given)]
    mount: String,
    /// `aud` of the tokens; use a value that only this Vault accepts, e.g. its URL
    #[arg(long, value_parser = given)]
    audience: String,
    /// The output format
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
            Form::Cloudformation => Err(not_for(format, "Vault", "use terraform, cli or json")),
        }
    }
}
