//! `runmint issuer`

pub(in crate::cli) mod chosen;
mod details;
mod presets;
mod register;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::chosen::{Chosen, path};
use self::details::{Details, describe};
use crate::cli::api::client::Client;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format};
use crate::cli::terminal::span::time;
use crate::cli::terminal::table::{cell, table};
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
    /// Trust an issuer no more
    ///
    /// Its policies go with it, and every access token that was exchanged for one of its tokens is revoked.
    #[command(after_help = "Example:  runmint issuer delete github --org acme")]
    Delete(Chosen),
    /// Pin the certificates that the issuer's servers present now, and no others any more
    #[command(after_help = "Example:  runmint issuer regenerate-thumbprints cluster --org acme")]
    RegenerateThumbprints(Chosen),
}

/// Change a trusted issuer; what is left out stays as it is. Its URL is for good
#[derive(Args)]
#[command(after_help = "Examples:
  runmint issuer update github --org acme --max-expiration 1h
  runmint issuer update cluster --org acme --no-thumbprints")]
pub(in crate::cli) struct Update {
    #[command(flatten)]
    chosen: Chosen,
    /// What people shall know it by from now on
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    details: Details,
    /// Let public authorities decide about its certificates again
    #[arg(long, conflicts_with = "thumbprints")]
    no_thumbprints: bool,
}

impl Command {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        match self {
            Self::List { org } => list(&org, output).await,
            Self::Show(chosen) => {
                let issuer = chosen.find(&Client::from_environment()?).await?;
                output::print(output, &issuer, describe)
            }
            Self::Register(register) => register.execute(output).await,
            Self::Update(update) => update.execute(output).await,
            Self::Delete(chosen) => delete(&chosen, output).await,
            Self::RegenerateThumbprints(chosen) => {
                let client = Client::from_environment()?;
                let issuer = chosen.find(&client).await?;
                let path = format!("{}/regenerate-thumbprints", path(chosen.org(), &issuer));
                output::print(output, &client.post(&path, None).await?, describe)
            }
        }
    }
}

impl Update {
    async fn execute(self, output: Format) -> Result<(), Failure> {
        let client = Client::from_environment()?;
        let issuer = self.chosen.find(&client).await?;
        let mut body = self.details.body()?;
        if self.no_thumbprints {
            body["thumbprints"] = json!([]);
        }
        body["name"] = self.name.map_or_else(|| issuer["name"].clone(), Value::from);
        let changed = client.patch(&path(self.chosen.org(), &issuer), &body).await?;
        output::print(output, &changed, describe)
    }
}

async fn list(org: &OrganizationName, output: Format) -> Result<(), Failure> {
    let found = Client::from_environment()?.get(&format!("/api/orgs/{org}/oidc/issuers")).await?;
    output::print(output, &found, |found| match found["oidcIssuers"].as_array() {
        Some(issuers) if !issuers.is_empty() => {
            let row = |issuer: &Value| {
                vec![
                    cell(&issuer["name"]),
                    cell(&issuer["id"]),
                    time(&issuer["created"]),
                    time(&issuer["lastUsed"]),
                    cell(&issuer["url"]),
                ]
            };
            table(&["NAME", "ID", "CREATED", "LAST USED", "URL"], issuers.iter().map(row).collect())
        }
        _ => "No trusted issuers.\n".to_owned(),
    })
}

async fn delete(chosen: &Chosen, output: Format) -> Result<(), Failure> {
    let client = Client::from_environment()?;
    let issuer = chosen.find(&client).await?;
    client.delete(&path(chosen.org(), &issuer)).await?;
    output::print(output, &json!({"id": issuer["id"], "deleted": true}), |_| {
        let name = crate::cli::terminal::output::safe(&cell(&issuer["name"]));
        format!("{name} is trusted no more; what was exchanged for its tokens is revoked.\n")
    })
}
