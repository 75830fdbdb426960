//! `runmint keys publish` and `runmint keys export`

use clap::Args;
use serde_json::{Value, json};
use url::Url;

use crate::cli::api::client::Client;
use crate::cli::terminal::environment::object_store_environment;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, entries, print_text, safe};
use crate::cli::terminal::table::{cell, table};
use crate::copies::{Object, Outcome, Target};
use crate::issuer::discovery::{CONFIGURATION_PATH, JWKS_PATH};
use crate::issuer::organization_name::OrganizationName;

/// As the server's own answers have it (docs/rotation.md).
const CACHE_CONTROL: &str = "public, max-age=300";

/// Write discovery and key sets to a folder or a bucket, once
///
/// For issuers whose URL an object store or a CDN answers. The server does the same after every change when
/// publish_to is set, and then no key signs before it is there; with this command that is up to you.
/// Credentials come from the environment: AWS_*, GOOGLE_* or AZURE_*.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint keys publish --to file:///var/www/id.example.com
  AWS_REGION=eu-central-1 runmint keys publish --to s3://id-example-com")]
pub(in crate::cli) struct Publish {
    /// file:///DIR, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX
    #[arg(long)]
    to: String,
}

/// Print the key set, for verifiers that it is uploaded to
#[derive(Args)]
#[command(after_help = "Example:  runmint keys export --public > jwks.json")]
pub(in crate::cli) struct Export {
    /// Yes: the public halves. Private ones are never shown
    #[arg(long, required = true)]
    public: bool,
    /// The organization with an issuer of its own; without it, the shared issuer
    #[arg(long, value_parser = OrganizationName::parse)]
    org: Option<OrganizationName>,
}

impl Publish {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let target = Target::parse(&self.to, &object_store_environment()).map_err(Failure::usage)?;
        let found = Client::from_environment()?.get("/api/keys/documents").await?;
        let mut objects = Vec::new();
        for issuer in entries(&found["issuers"]) {
            let url = Url::parse(issuer["issuer"].as_str().unwrap_or_default()).map_err(Failure::failed)?;
            // Key sets before the documents that refer to them.
            for (below, member) in [(JWKS_PATH, "jwks"), (CONFIGURATION_PATH, "configuration")] {
                let path = format!("{}{below}", url.path().trim_end_matches('/'));
                let body = issuer[member].as_str().unwrap_or_default().as_bytes().to_vec();
                objects.push(Object { path: path.trim_start_matches('/').to_owned(), body });
            }
        }
        let published = target.publish(&objects, CACHE_CONTROL).await.map_err(Failure::failed)?;
        let shown: Vec<Value> = published
            .iter()
            .map(|one| {
                let outcome = if one.outcome == Outcome::Written { "written" } else { "unchanged" };
                json!({"path": one.path, "outcome": outcome})
            })
            .collect();
        output::print(output, &json!({"target": target.to_string(), "objects": shown}), |value| {
            let row = |one: &Value| vec![cell(&one["path"]), cell(&one["outcome"])];
            table(&["OBJECT", "OUTCOME"], entries(&value["objects"]).map(row).collect())
        })
    }
}

impl Export {
    pub(in crate::cli) async fn execute(self) -> Result<(), Failure> {
        // The flag is there to be written, not to be read: it says what this prints.
        let Self { public: _, org } = self;
        let client = Client::from_environment()?;
        let found = client.get("/api/keys/documents").await?;
        let wanted = match &org {
            None => None,
            Some(org) => Some(client.get(&format!("/api/orgs/{org}")).await?["issuer"].clone()),
        };
        let mut issuers = entries(&found["issuers"]);
        let issuer = match &wanted {
            Some(issuer) => issuers.find(|one| one["issuer"] == *issuer),
            None => issuers.find(|one| one["shared"] == true),
        };
        let jwks = issuer.and_then(|one| one["jwks"].as_str());
        let jwks = jwks.ok_or_else(|| Failure::failed("the server has no key set for this issuer"))?;
        print_text(&format!("{}\n", safe(jwks)))
    }
}
