//! `runmint credentials azure`

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::means::{Means, exports, json_line};
use crate::cli::clouds::handover::flags::{AzureFlags, inherited};
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::print_text;
use crate::clouds::exchange::AccessToken;
use crate::clouds::exchange::azure::management_scope;
use crate::clouds::settings::{AzureSettings, Guid};

/// Inside a run: exchange its token for an Azure access token and print it
///
/// Asks Microsoft Entra ID, or the authority in AZURE_AUTHORITY_HOST. Azure's tools share no variable for an access
/// token: --format env sets AZURE_ACCESS_TOKEN.
#[derive(Args)]
#[command(after_help = "Example:
  curl -H \"Authorization: Bearer $(runmint credentials azure --format access-token)\" \\
    'https://management.azure.com/subscriptions?api-version=2022-12-01'")]
#[expect(clippy::struct_field_names, reason = "the flags are called so")]
pub(in crate::cli) struct Azure {
    /// The output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The scope of the access token [default: Azure Resource Manager of the authority's cloud]
    #[arg(long, value_name = "SCOPE")]
    azure_scope: Option<String>,
    #[command(flatten)]
    flags: AzureFlags,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    /// Lines for a shell to evaluate
    Env,
    /// One JSON document
    #[default]
    Json,
    /// The access token and nothing else
    AccessToken,
}

/// `--format json`
#[derive(Serialize)]
struct Document<'a> {
    access_token: &'a str,
    expires_at: String,
    client_id: &'a str,
    tenant_id: &'a str,
    subscription_id: Option<&'a str>,
}

impl Azure {
    pub(super) async fn execute(self) -> Result<(), Failure> {
        let settings = match self.flags.settings() {
            Some(settings) => settings,
            None => inherited()?.azure.ok_or_else(|| {
                Failure::usage(
                    "no Azure application is set: use --azure-client-id and --azure-tenant-id, or RUNMINT_CLOUD_SETTINGS with `azure`",
                )
            })?,
        };
        let means = Means::find()?;
        let of_the_cloud = management_scope(means.endpoints.authority());
        let scope = self.azure_scope.as_deref().unwrap_or(of_the_cloud);
        let token = means.exchanges.azure(&settings, scope).await?;
        print_text(&self.format.text(&settings, &token))
    }
}

impl Format {
    fn text(self, settings: &AzureSettings, token: &AccessToken) -> String {
        let subscription = settings.subscription_id.as_ref().map(Guid::as_str);
        match self {
            Self::Env => {
                let always = [
                    ("AZURE_ACCESS_TOKEN", token.token.as_str()),
                    ("AZURE_CLIENT_ID", settings.client_id.as_str()),
                    ("AZURE_TENANT_ID", settings.tenant_id.as_str()),
                ];
                exports(always.into_iter().chain(subscription.map(|id| ("AZURE_SUBSCRIPTION_ID", id))))
            }
            Self::Json => json_line(&Document {
                access_token: &token.token,
                expires_at: token.expires_at.to_string(),
                client_id: settings.client_id.as_str(),
                tenant_id: settings.tenant_id.as_str(),
                subscription_id: subscription,
            }),
            Self::AccessToken => token.token.to_string(),
        }
    }
}
