//! `runmint issuer`

pub(in crate::cli) mod chosen;
mod details;
mod presets;
mod register;

use clap::{Args, Subcommand};
use serde_json::json;

use self::chosen::{Chosen, path};
use self::details::{Details, describe};
use crate::api::trusted_issuers::{TrustedIssuer, TrustedIssuers, UpdateIssuer};
use crate::cli::api::client::Client;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, safe};
use crate::cli::terminal::span::time;
use crate::cli::terminal::table::table;
use crate::issuer::organization_name::OrganizationName;

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    /// List the issuers that an organization trusts
    #[command(after_help = "Example:  runmint issuer list --org acme")]
    List {
        /// The organization
        #[arg(long, value_parser = OrganizationName::parse)]
        org: OrganizationName,
    },
    /// Show a trusted issuer
    #[command(after_help = "Example:  runmint issuer show github --org acme")]
    Show(Chosen),
    Register(Box<register::Register>),
    Update(Update),
    /// Stop trusting an issuer
    ///
    /// Deletes its policies and revokes every access token that was exchanged for one of its tokens.
    #[command(after_help = "Example:  runmint issuer delete github --org acme")]
    Delete(Chosen),
    /// Pin the certificates that the issuer's servers present now, and only those
    #[command(after_help = "Example:  runmint issuer regenerate-thumbprints cluster --org acme")]
    RegenerateThumbprints(Chosen),
}

/// Change a trusted issuer; what is left out stays as it is. Its URL cannot be changed
#[derive(Args)]
#[command(after_help = "Examples:
  runmint issuer update github --org acme --max-expiration 1h
  runmint issuer update cluster --org acme --no-thumbprints")]
pub(in crate::cli) struct Update {
    #[command(flatten)]
    chosen: Chosen,
    /// A new name for people
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    details: Details,
    /// Trust public certificate authorities for its servers again
    #[arg(long, conflicts_with = "thumbprints")]
    no_thumbprints: bool,
}

impl Command {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        match self {
            Self::List { org } => list(&org, output).await,
            Self::Show(chosen) => chosen.find(&Client::from_environment()?).await?.print(output, describe),
            Self::Register(register) => register.execute(output).await,
            Self::Update(update) => update.execute(output).await,
            Self::Delete(chosen) => delete(&chosen, output).await,
            Self::RegenerateThumbprints(chosen) => {
                let client = Client::from_environment()?;
                let issuer = chosen.find(&client).await?.parsed;
                let path = format!("{}/regenerate-thumbprints", path(chosen.org(), &issuer));
                client.post_empty(&path).await?.print(output, describe)
            }
        }
    }
}

impl Update {
    async fn execute(self, output: Format) -> Result<(), Failure> {
        let client = Client::from_environment()?;
        let issuer = self.chosen.find(&client).await?.parsed;
        let none = self.no_thumbprints.then(Vec::new);
        let body = UpdateIssuer {
            name: self.name.unwrap_or_else(|| issuer.name.clone()),
            thumbprints: none.or_else(|| self.details.thumbprints()),
            max_expiration: self.details.max_expiration(),
            jwks: self.details.jwks()?,
        };
        client.patch(&path(self.chosen.org(), &issuer), &body).await?.print(output, describe)
    }
}

async fn list(org: &OrganizationName, output: Format) -> Result<(), Failure> {
    let found = Client::from_environment()?.get(&format!("/api/orgs/{org}/oidc/issuers")).await?;
    found.print(output, |found: &TrustedIssuers| {
        if found.oidc_issuers.is_empty() {
            return "No trusted issuers.\n".to_owned();
        }
        let row = |issuer: &TrustedIssuer| {
            vec![
                issuer.name.clone(),
                issuer.id.to_string(),
                time(issuer.created),
                time(issuer.last_used),
                issuer.url.clone(),
            ]
        };
        table(&["NAME", "ID", "CREATED", "LAST USED", "URL"], found.oidc_issuers.iter().map(row).collect())
    })
}

async fn delete(chosen: &Chosen, output: Format) -> Result<(), Failure> {
    let client = Client::from_environment()?;
    let issuer = chosen.find(&client).await?.parsed;
    client.delete(&path(chosen.org(), &issuer)).await?;
    output::print(output, &json!({"id": issuer.id, "deleted": true}), |_| {
        format!(
            "{} is no longer trusted; access tokens exchanged for its tokens are revoked.\n",
            safe(&issuer.name)
        )
    })
}
