//! `runmint org`

use std::io::{IsTerminal, stdin};

use clap::Subcommand;
use serde_json::json;

use crate::api::Word;
use crate::api::keys::Algorithm;
use crate::api::organizations::{CreateOrganization, IssuerChoice, Organization, OrganizationPage};
use crate::cli::api::client::Client;
use crate::cli::api::pages::List;
use crate::cli::terminal::arguments::algorithm;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, remark};
use crate::cli::terminal::span::time;
use crate::cli::terminal::table::{cell, fields, table};
use crate::issuer::organization_name::OrganizationName;

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    /// Create an organization (needs an admin token)
    #[command(after_help = "Examples:
  runmint org create acme
  runmint org create acme --own-issuer      its issuer is {base_url}/orgs/acme/oidc, with its own keys")]
    Create {
        /// At most 63 lower-case letters, digits and hyphens
        #[arg(value_parser = OrganizationName::parse)]
        name: OrganizationName,
        /// Give it an issuer with its own keys; this cannot be changed later
        #[arg(long)]
        own_issuer: bool,
        /// Signing algorithm where no audience profile sets one: RS256 or ES256
        #[arg(long, default_value = "RS256", value_parser = algorithm())]
        algorithm: Word<Algorithm>,
    },
    /// List the organizations that you may see
    #[command(after_help = "Examples:
  runmint org list
  runmint org list --output json | jq -r '.organizations[].name'")]
    List,
    /// Show an organization
    #[command(after_help = "Example:  runmint org show acme")]
    Show {
        /// Its name
        #[arg(value_parser = OrganizationName::parse)]
        name: OrganizationName,
    },
    /// Delete an organization for good (needs an admin token)
    ///
    /// Cancels its active runs and revokes its access tokens. This cannot be undone, and the name can never be
    /// used again: cloud policies that trust it must not admit another organization.
    #[command(after_help = "Examples:
  runmint org delete acme           asks first
  runmint org delete acme --yes     for scripts")]
    Delete {
        /// Its name
        #[arg(value_parser = OrganizationName::parse)]
        name: OrganizationName,
        /// Delete without asking
        #[arg(long)]
        yes: bool,
    },
}

impl Command {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        match self {
            Self::Create { name, own_issuer, algorithm } => {
                let issuer = if own_issuer { IssuerChoice::Own } else { IssuerChoice::Shared };
                create(&name, issuer, algorithm, output).await
            }
            Self::List => list(output).await,
            Self::Show { name } => show(&name, output).await,
            Self::Delete { name, yes } => delete(&name, yes, output).await,
        }
    }
}

async fn create(
    name: &OrganizationName,
    issuer: IssuerChoice,
    algorithm: Word<Algorithm>,
    output: Format,
) -> Result<(), Failure> {
    let name_text = name.as_str().to_owned();
    let body =
        CreateOrganization { name: name_text, issuer: Some(issuer.into()), algorithm: Some(algorithm) };
    Client::from_environment()?.post("/api/orgs", &body).await?.print(output, describe)?;
    remark(
        output,
        &format!("\nNext:  runmint access-token create --name ci --org {name} --role orchestrator"),
    );
    Ok(())
}

async fn list(output: Format) -> Result<(), Failure> {
    let list = List { path: "/api/orgs", filters: &[] };
    let found = list.fetch::<OrganizationPage>(&Client::from_environment()?, None).await?;
    found.print(output, |found| {
        if found.organizations.is_empty() {
            return "No organizations.\n".to_owned();
        }
        let row = |one: &Organization| vec![one.name.clone(), one.id.to_string(), time(one.created_at)];
        table(&["NAME", "ID", "CREATED"], found.organizations.iter().map(row).collect())
    })
}

async fn show(name: &OrganizationName, output: Format) -> Result<(), Failure> {
    Client::from_environment()?.get(&format!("/api/orgs/{name}")).await?.print(output, describe)
}

async fn delete(name: &OrganizationName, yes: bool, output: Format) -> Result<(), Failure> {
    let client = Client::from_environment()?;
    if !yes {
        confirm(name)?;
    }
    client.delete(&format!("/api/orgs/{name}")).await?;
    output::print(output, &json!({"name": name, "deleted": true}), |_| {
        format!(
            "Organization {name} is deleted: its runs are cancelled, its access tokens are revoked and its name cannot be used again.\n"
        )
    })
}

fn confirm(name: &OrganizationName) -> Result<(), Failure> {
    if !stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "could not delete {name}: it cannot be undone, and the name can never be used again; add --yes to confirm"
        )));
    }
    eprint!(
        "This deletes organization {name} for good, cancels its active runs and revokes its access tokens.\n\
         Its name can never be used again. Type the name to confirm: "
    );
    let mut answer = String::new();
    stdin().read_line(&mut answer).map_err(Failure::failed)?;
    if answer.trim() == name.as_str() {
        Ok(())
    } else {
        Err(Failure::failed("nothing was deleted: the name was not confirmed"))
    }
}

fn describe(organization: &Organization) -> String {
    fields(&[
        ("name", organization.name.clone()),
        ("id", organization.id.to_string()),
        ("created", time(organization.created_at)),
        ("issuer", organization.issuer.clone()),
        ("algorithm", cell(&organization.algorithm)),
    ])
}
