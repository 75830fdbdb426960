//! `runmint trust azure`

use clap::Args;
use uuid::Uuid;

use super::remarks::{RelyingParty, remarks};
use super::runs::Runs;
use super::written::{Form, given, not_for, print_json, print_text};
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::Format;
use crate::clouds::trust_documents::azure::{AUDIENCE, AzureOwner, AzureTarget};

/// Write federated identity credentials, by which Microsoft Entra trusts runs
///
/// Entra compares whole subjects without wildcards, so each pair of stack and operation needs a credential: name them
/// all. An application or identity accepts 20.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint trust azure --org acme --project website --stack prod --operation preview --operation update \\
    --application-id 11111111-2222-4333-8444-555555555555 > runmint.tf
  runmint trust azure --org acme --project website --stack prod --operation update \\
    --identity-name website --resource-group deployments --format cli | sh
  runmint trust azure --org acme --project website --stack prod --operation update --format json")]
pub(in crate::cli) struct Azure {
    #[command(flatten)]
    runs: Runs,
    /// The application's object id (for Terraform) or client id (for az)
    #[arg(long, value_name = "ID", conflicts_with_all = ["identity_name", "resource_group"])]
    application_id: Option<Uuid>,
    /// A user-assigned managed identity, instead of an application
    #[arg(long, value_name = "NAME", requires = "resource_group", value_parser = given)]
    identity_name: Option<String>,
    /// The resource group of the identity
    #[arg(long, value_name = "NAME", requires = "identity_name", value_parser = given)]
    resource_group: Option<String>,
    /// `aud` of the tokens
    #[arg(long, default_value = AUDIENCE)]
    audience: String,
    /// The output format
    #[arg(long, value_enum, default_value = "terraform")]
    format: Form,
}

impl Azure {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let Self { runs, application_id, identity_name, resource_group, audience, format } = self;
        let owner = match (application_id, identity_name, resource_group) {
            (Some(id), _, _) => Some(AzureOwner::Application { id: id.to_string() }),
            (None, Some(name), Some(resource_group)) => Some(AzureOwner::Identity { name, resource_group }),
            _ => None,
        };
        let grant = runs.grant(audience).await?;
        remarks(&grant, RelyingParty::Azure, output);
        let target = AzureTarget { owner };
        match format {
            Form::Json => print_json(output, &target.json(&grant)?),
            Form::Terraform => print_text(output, &target.terraform(&grant)?),
            Form::Cli => print_text(output, &target.cli(&grant)?),
            Form::Cloudformation => Err(not_for(format, "Azure", "use terraform, cli or json")),
        }
    }
}
