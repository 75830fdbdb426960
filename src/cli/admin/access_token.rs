//! `runmint access-token`

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use crate::api::Word;
use crate::api::access_tokens::{
    AccessToken, AccessTokenPage, CreateAccessToken, CreateAdminToken, CreatedAccessToken, Holder,
    OrganizationRole,
};
use crate::cli::api::answer::Answer;
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
    /// List the access tokens of an organization, or the admin tokens
    #[command(after_help = "Examples:
  runmint access-token list --org acme
  runmint access-token list               the admin tokens (needs an admin token)")]
    List {
        /// The organization; without it, the admin tokens
        #[arg(long, value_parser = OrganizationName::parse)]
        org: Option<OrganizationName>,
    },
    /// Show an access token without its secret
    #[command(after_help = "Example:  runmint access-token show 36f675cc-81e7-4ef5-a8e2-5d940ed90475")]
    Show {
        /// The token's id, not its secret
        id: String,
    },
    /// Revoke an access token at once; runs that it started continue
    #[command(after_help = "Example:  runmint access-token revoke 36f675cc-81e7-4ef5-a8e2-5d940ed90475")]
    Revoke {
        /// The token's id, not its secret
        id: String,
    },
}

/// Create an access token and show its secret, only this time
///
/// The bare secret goes to standard output and everything else to standard error. Only a hash of the secret
/// is kept, so it cannot be shown again.
#[derive(Args)]
#[command(group = ArgGroup::new("scope").args(["org", "admin"]).required(true))]
#[command(after_help = "Examples:
  TOKEN=$(runmint access-token create --name ci --org acme --role orchestrator --expires-in 30d)
  runmint access-token create --name 'break glass' --admin")]
pub(in crate::cli) struct Create {
    /// A name for people
    #[arg(long)]
    name: String,
    /// The organization that it is for
    #[arg(long, value_parser = OrganizationName::parse, requires = "role")]
    org: Option<OrganizationName>,
    /// Its role there
    #[arg(long, value_parser = role(), requires = "org")]
    role: Option<Word<OrganizationRole>>,
    /// Create an admin token, which may do everything
    #[arg(long, conflicts_with = "role")]
    admin: bool,
    /// When it expires, e.g. 12h or 30d [default: never]
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
        let Self { name, role, expires_in, .. } = self;
        let expires_in_seconds = expires_in.map(|TextDuration(expires_in)| expires_in.as_secs());
        let client = Client::from_environment()?;
        let path = collection(self.org.as_ref());
        let created: Answer<CreatedAccessToken> = match role {
            Some(role) => client.post(&path, &CreateAccessToken { name, role, expires_in_seconds }).await?,
            None => client.post(&path, &CreateAdminToken { name, expires_in_seconds }).await?,
        };
        let secret = safe(&created.parsed.access_token);
        created.print(output, |_| format!("{secret}\n"))?;
        let told = describe(&created.parsed.token);
        remark(
            output,
            &format!("\n{told}\nThe secret is shown only once: the server keeps only a hash of it."),
        );
        Ok(())
    }
}

fn role() -> impl TypedValueParser<Value = Word<OrganizationRole>> {
    PossibleValuesParser::new([
        PossibleValue::new("owner").help("Manages the organization's access tokens; includes orchestrator"),
        PossibleValue::new("orchestrator").help("Starts and ends runs; includes viewer"),
        PossibleValue::new("viewer").help("Reads the organization and its runs; previews runs"),
    ])
    .map(|role| match role.as_str() {
        "owner" => OrganizationRole::Owner.into(),
        "orchestrator" => OrganizationRole::Orchestrator.into(),
        "viewer" => OrganizationRole::Viewer.into(),
        _ => Word::Other(role),
    })
}

async fn list(org: Option<&OrganizationName>, output: Format) -> Result<(), Failure> {
    let list = List { path: &collection(org), filters: &[] };
    let found = list.fetch::<AccessTokenPage>(&Client::from_environment()?, None).await?;
    found.print(output, |found| {
        if found.access_tokens.is_empty() {
            return "No access tokens.\n".to_owned();
        }
        let heading = ["ID", "ROLE", "CREATED", "EXPIRES", "LAST USED", "REVOKED", "NAME"];
        table(&heading, found.access_tokens.iter().map(row).collect())
    })
}

fn row(token: &AccessToken) -> Vec<String> {
    vec![
        token.id.to_string(),
        cell(&token.role),
        time(token.created_at),
        time(token.expires_at),
        time(token.last_used_at),
        time(token.revoked_at),
        token.name.clone(),
    ]
}

async fn show(id_text: &str, output: Format) -> Result<(), Failure> {
    let id = id(id_text)?;
    let token = Client::from_environment()?.get(&format!("/api/access-tokens/{id}")).await?;
    token.print(output, describe)
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

/// The team, user or runner that it was exchanged for.
fn holder(token: &AccessToken) -> String {
    match &token.holder {
        Some(Holder { kind, name }) => format!("{} {name}", cell(kind)),
        None => "-".to_owned(),
    }
}

fn describe(token: &AccessToken) -> String {
    let now = SystemClock.now();
    fields(&[
        ("id", token.id.to_string()),
        ("name", token.name.clone()),
        ("role", cell(&token.role)),
        ("organization", token.organization.clone().unwrap_or_else(|| "all".to_owned())),
        ("holder", holder(token)),
        ("exchanged by", token.origin.as_ref().map_or("-", |origin| &origin.subject).to_owned()),
        ("created", moment(token.created_at, now, "-")),
        ("expires", moment(token.expires_at, now, "never")),
        ("last used", moment(token.last_used_at, now, "never")),
        ("revoked", moment(token.revoked_at, now, "no")),
    ])
}
