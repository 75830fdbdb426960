//! `runmint trust aws`

use clap::Args;

use super::remarks::{RelyingParty, remarks};
use super::runs::Runs;
use super::written::{Form, account, given, print_json, print_text};
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::Format;
use crate::clouds::trust_documents::aws::{AUDIENCE, AwsTarget};

/// Write an identity provider and an IAM role that trusts runs
///
/// The role has no permissions: attach them yourself. Without --stack or --operation, a wildcard stands for exactly
/// that part of the subject: names in subjects never contain a separator or a star.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint trust aws --org acme --project website --stack prod --operation update \\
    --account 111122223333 --role-name deploy-website > runmint.tf
  runmint trust aws --org acme --project website --operation preview \\
    --account 111122223333 --role-name preview-website --format json | runmint trust test - --org acme --runs last:500
  runmint trust aws --org acme --project website --account 111122223333 --role-name website --format cli | sh

Without a server: --issuer https://id.example.com/oidc")]
pub(in crate::cli) struct Aws {
    #[command(flatten)]
    runs: Runs,
    /// The account's 12 digits
    #[arg(long, value_parser = account)]
    account: String,
    /// The role that runs assume
    #[arg(long, value_parser = given)]
    role_name: String,
    /// The account already has the identity provider
    #[arg(long)]
    existing_provider: bool,
    /// The partition of the account
    #[arg(long, value_parser = ["aws", "aws-cn", "aws-us-gov"], default_value = "aws")]
    partition: String,
    /// `aud` of the tokens
    #[arg(long, default_value = AUDIENCE)]
    audience: String,
    /// The output format
    #[arg(long, value_enum, default_value = "terraform")]
    format: Form,
}

impl Aws {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let Self { runs, account, role_name, existing_provider, partition, audience, format } = self;
        if !is_role_name(&role_name) {
            return Err(Failure::usage("--role-name has at most 64 letters, digits and `+=,.@-_`"));
        }
        let grant = runs.grant(audience).await?;
        remarks(&grant, RelyingParty::Aws, output);
        let target = AwsTarget { account, role_name, partition, existing_provider };
        match format {
            Form::Json => print_json(output, &target.json(&grant)?),
            Form::Cloudformation => print_json(output, &target.cloudformation(&grant)?),
            Form::Terraform => print_text(output, &target.terraform(&grant)?),
            Form::Cli => print_text(output, &target.cli(&grant)?),
        }
    }
}

fn is_role_name(name: &str) -> bool {
    name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@-_".contains(c))
}
