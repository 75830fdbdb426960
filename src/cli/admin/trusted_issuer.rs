//! `runmint issuer`

mod presets;
mod register;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::admin::policy::file::json_of;
use crate::cli::api::client::Client;
use crate::cli::terminal::arguments::duration;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format};
use crate::cli::terminal::span::{moment, span, time};
use crate::cli::terminal::table::{cell, fields, table};
use crate::clock::{Clock, SystemClock};
use crate::config::duration::TextDuration;
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

/// An issuer that is registered.
#[derive(Args)]
pub(in crate::cli) struct Chosen {
    /// Its name, id or URL
    issuer: String,
    /// The organization that trusts it
    #[arg(long, value_parser = OrganizationName::parse)]
    org: OrganizationName,
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

/// What may be said about an issuer besides name and URL.
#[derive(Args)]
struct Details {
    /// How long what is exchanged for its tokens may live, e.g. 2h [25h unless said]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    max_expiration: Option<TextDuration>,
    /// SHA-256 of a certificate that its servers may present, in hexadecimal; may be repeated
    #[arg(long = "thumbprint", value_name = "SHA256")]
    thumbprints: Vec<String>,
    /// Its key set, which is then never fetched; - for standard input
    #[arg(long, value_name = "FILE")]
    jwks_file: Option<PathBuf>,
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
                let path = format!("{}/regenerate-thumbprints", path(&chosen.org, &issuer));
                output::print(output, &client.post(&path, None).await?, describe)
            }
        }
    }
}

impl Chosen {
    pub(in crate::cli) async fn find(&self, client: &Client) -> Result<Value, Failure> {
        find(client, &self.org, &self.issuer).await
    }

    pub(in crate::cli) fn org(&self) -> &OrganizationName {
        &self.org
    }
}

/// The issuer that people mean. What they wrote is not repeated: they paste secrets where names belong.
pub(in crate::cli) async fn find(
    client: &Client,
    org: &OrganizationName,
    text: &str,
) -> Result<Value, Failure> {
    let mut found = client.get(&format!("/api/orgs/{org}/oidc/issuers")).await?;
    let Value::Array(all) = found["oidcIssuers"].take() else {
        return Err(Failure::failed("the answer is not a list: is this runmint?"));
    };
    let meant = |issuer: &Value| ["id", "name", "url"].iter().any(|member| issuer[*member] == text);
    // An id beats a name that looks like one.
    let by_id = all.iter().position(|issuer| issuer["id"] == text);
    let index = by_id.or_else(|| all.iter().position(meant)).ok_or_else(|| {
        Failure::failed(format!("there is no such issuer; `runmint issuer list --org {org}` shows them"))
    })?;
    // It goes into paths.
    crate::cli::terminal::arguments::id(&cell(&all[index]["id"]))?;
    Ok(all[index].clone())
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
        let changed = client.patch(&path(&self.chosen.org, &issuer), &body).await?;
        output::print(output, &changed, describe)
    }
}

impl Details {
    fn body(&self) -> Result<Value, Failure> {
        let mut body = json!({});
        if let Some(TextDuration(most)) = self.max_expiration {
            body["maxExpiration"] = most.as_secs().into();
        }
        if !self.thumbprints.is_empty() {
            body["thumbprints"] = self.thumbprints.clone().into();
        }
        if let Some(path) = &self.jwks_file {
            body["jwks"] = json_of(path)?;
        }
        Ok(body)
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
    client.delete(&path(&chosen.org, &issuer)).await?;
    output::print(output, &json!({"id": issuer["id"], "deleted": true}), |_| {
        let name = crate::cli::terminal::output::safe(&cell(&issuer["name"]));
        format!("{name} is trusted no more; what was exchanged for its tokens is revoked.\n")
    })
}

fn path(org: &OrganizationName, issuer: &Value) -> String {
    format!("/api/orgs/{org}/oidc/issuers/{}", cell(&issuer["id"]))
}

fn describe(issuer: &Value) -> String {
    let now = SystemClock.now();
    let most = issuer["maxExpiration"].as_i64().map(jiff::SignedDuration::from_secs);
    let keys = match issuer["jwks"]["keys"].as_array() {
        Some(keys) => format!("{} given, never fetched", keys.len()),
        None => "fetched".to_owned(),
    };
    let mut rows = vec![
        ("name", cell(&issuer["name"])),
        ("id", cell(&issuer["id"])),
        ("url", cell(&issuer["url"])),
        ("keys", keys),
        ("max expiration", most.map_or_else(|| "-".to_owned(), span)),
        ("created", moment(&issuer["created"], now, "-")),
        ("modified", moment(&issuer["modified"], now, "-")),
        ("last used", moment(&issuer["lastUsed"], now, "never")),
    ];
    let thumbprints = issuer["thumbprints"].as_array().into_iter().flatten();
    rows.extend(thumbprints.map(|one| ("thumbprint", cell(one))));
    fields(&rows)
}
