//! `runmint access-token`

use clap::builder::PossibleValue;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::api::client::Client;
use crate::cli::api::pages::List;
use crate::cli::terminal::arguments::{duration, id};
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, remark, safe};
use crate::cli::terminal::span::{moment, time};
use crate::cli::terminal::table::{cell, fields, table};
use crate::clock::{Clock, SystemClock};
use crate::config::duration::TextDuration;
use crate::issuer::organization_name::OrganizationName;

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    Create(Create),
    /// List access tokens: of an organization, or the admin tokens
    #[command(after_help = "Examples:
  runmint access-token list --org acme
  runmint access-token list               the admin tokens (needs an admin token)")]
    List {
        /// The organization; without it, the admin tokens
        #[arg(long, value_parser = OrganizationName::parse)]
        org: Option<OrganizationName>,
    },
    /// Show an access token, without its secret
    #[command(after_help = "Example:  runmint access-token show 36f675cc-81e7-4ef5-a8e2-5d940ed90475")]
    Show {
        /// The token's id, not its secret
        id: String,
    },
    /// Revoke an access token at once; runs that it started go on
    #[command(after_help = "Example:  runmint access-token revoke 36f675cc-81e7-4ef5-a8e2-5d940ed90475")]
    Revoke {
        /// The token's id, not its secret
        id: String,
    },
}

/// Create an access token; its secret is shown this once
///
/// The bare secret goes to standard output and everything else to standard error. Only a hash of the secret
/// is kept, so it cannot be shown again.
#[derive(Args)]
#[command(group = ArgGroup::new("scope").args(["org", "admin"]).required(true))]
#[command(after_help = "Examples:
  TOKEN=$(runmint access-token create --name ci --org acme --role orchestrator --expires-in 30d)
  runmint access-token create --name 'break glass' --admin")]
pub(in crate::cli) struct Create {
    /// What people shall know it by
    #[arg(long)]
    name: String,
    /// The organization it is for
    #[arg(long, value_parser = OrganizationName::parse, requires = "role")]
    org: Option<OrganizationName>,
    /// What it may do there
    #[arg(long, value_parser = roles(), requires = "org")]
    role: Option<String>,
    /// Make an admin token, which may do everything everywhere
    #[arg(long, conflicts_with = "role")]
    admin: bool,
    /// When it stops working, e.g. 12h or 30d [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    expires_in: Option<TextDuration>,
}

impl Command {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.execute(output).await,
            Self::List { org } => list(org.as_ref(), output).await,
            Self::Show { id } => show(&id, output).await,
            Self::Revoke { id } => revoke(&id, output).await,
        }
    }
}

impl Create {
    async fn execute(self, output: Format) -> Result<(), Failure> {
        let mut body = json!({"name": self.name});
        if let Some(role) = self.role {
            body["role"] = role.into();
        }
        if let Some(TextDuration(expires_in)) = self.expires_in {
            body["expires_in_seconds"] = expires_in.as_secs().into();
        }
        let created = Client::from_environment()?.post(&collection(self.org.as_ref()), Some(&body)).await?;
        let secret = created["access_token"].as_str();
        let secret = secret.ok_or_else(|| Failure::failed("the answer holds no secret: is this runmint?"))?;
        output::print(output, &created, |_| format!("{}\n", safe(secret)))?;
        remark(
            output,
            &format!("\n{}\nThe secret is shown this once; only a hash of it is kept.", describe(&created)),
        );
        Ok(())
    }
}

fn roles() -> [PossibleValue; 3] {
    [
        PossibleValue::new("owner")
            .help("Manages the organization's access tokens, and what an orchestrator does"),
        PossibleValue::new("orchestrator").help("Starts and ends runs, and what a viewer does"),
        PossibleValue::new("viewer").help("Reads the organization and its runs, previews runs"),
    ]
}

async fn list(org: Option<&OrganizationName>, output: Format) -> Result<(), Failure> {
    let list = List { path: &collection(org), member: "access_tokens", filters: &[] };
    let found = list.fetch(&Client::from_environment()?, None).await?;
    output::print(output, &found, |found| match found["access_tokens"].as_array() {
        Some(tokens) if !tokens.is_empty() => {
            let heading = ["ID", "ROLE", "CREATED", "EXPIRES", "LAST USED", "REVOKED", "NAME"];
            let row = |token: &Value| {
                let times =
                    ["created_at", "expires_at", "last_used_at", "revoked_at"].map(|name| time(&token[name]));
                let [created, expires, used, revoked] = times;
                vec![
                    cell(&token["id"]),
                    cell(&token["role"]),
                    created,
                    expires,
                    used,
                    revoked,
                    cell(&token["name"]),
                ]
            };
            table(&heading, tokens.iter().map(row).collect())
        }
        _ => "No access tokens.\n".to_owned(),
    })
}

async fn show(id_text: &str, output: Format) -> Result<(), Failure> {
    let id = id(id_text)?;
    let token = Client::from_environment()?.get(&format!("/api/access-tokens/{id}")).await?;
    output::print(output, &token, describe)
}

async fn revoke(id_text: &str, output: Format) -> Result<(), Failure> {
    let id = id(id_text)?;
    Client::from_environment()?.delete(&format!("/api/access-tokens/{id}")).await?;
    output::print(output, &json!({"id": id, "revoked": true}), |_| format!("Access token {id} is revoked.\n"))
}

fn collection(org: Option<&OrganizationName>) -> String {
    match org {
        Some(org) => format!("/api/orgs/{org}/access-tokens"),
        None => "/api/access-tokens".to_owned(),
    }
}

/// Whom it is of, where its role is not all.
fn holder(token: &Value) -> String {
    let holder = &token["holder"];
    match holder["kind"].as_str() {
        Some(kind) => format!("{kind} {}", cell(&holder["name"])),
        None => "nobody but its bearer".to_owned(),
    }
}

fn describe(token: &Value) -> String {
    let now = SystemClock.now();
    fields(&[
        ("id", cell(&token["id"])),
        ("name", cell(&token["name"])),
        ("role", cell(&token["role"])),
        ("organization", token["organization"].as_str().unwrap_or("every one").to_owned()),
        ("holder", holder(token)),
        ("exchanged by", token["origin"]["subject"].as_str().unwrap_or("nobody").to_owned()),
        ("created", moment(&token["created_at"], now, "-")),
        ("expires", moment(&token["expires_at"], now, "never")),
        ("last used", moment(&token["last_used_at"], now, "never")),
        ("revoked", moment(&token["revoked_at"], now, "no")),
    ])
}
