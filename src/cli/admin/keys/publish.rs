//! `runmint keys publish` and `runmint keys export`

use clap::Args;
use serde_json::json;
use url::Url;

use crate::api::keys::KeyDocuments;
use crate::api::organizations::Organization;
use crate::cli::api::client::Client;
use crate::cli::terminal::environment::object_store_environment;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, print_text, safe};
use crate::cli::terminal::table::table;
use crate::copies::{Object, Outcome, Target};
use crate::issuer::discovery::{CONFIGURATION_PATH, JWKS_PATH};
use crate::issuer::organization_name::OrganizationName;

/// The same as in the server's own answers (docs/rotation.md).
const CACHE_CONTROL: &str = "public, max-age=300";

/// Write static copies of discovery documents and key sets to a folder or a bucket, once
///
/// For issuers whose URL is served by an object store or a CDN. If publish_to is set, the server does the same
/// after every change, and no key signs before it is published; with this command you have to ensure that
/// yourself. Credentials come from the environment: AWS_*, GOOGLE_* or AZURE_*.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint keys publish --to file:///var/www/id.example.com
  AWS_REGION=eu-central-1 runmint keys publish --to s3://id-example-com")]
pub(in crate::cli) struct Publish {
    /// file:///DIR, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX
    #[arg(long)]
    to: String,
}

/// Print the key set for upload to a verifier
#[derive(Args)]
#[command(after_help = "Example:  runmint keys export --public > jwks.json")]
pub(in crate::cli) struct Export {
    /// Confirm that the public halves are meant; private ones are never shown
    #[arg(long, required = true)]
    public: bool,
    /// The organization whose own issuer it is about [default: the shared issuer]
    #[arg(long, value_parser = OrganizationName::parse)]
    org: Option<OrganizationName>,
}

impl Publish {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let target = Target::parse(&self.to, &object_store_environment()).map_err(Failure::usage)?;
        let found = Client::from_environment()?.get::<KeyDocuments>("/api/keys/documents").await?.parsed;
        let mut objects = Vec::new();
        for issuer in found.issuers {
            let url = Url::parse(&issuer.issuer).map_err(Failure::failed)?;
            // Key sets before the documents that refer to them.
            for (below, text) in [(JWKS_PATH, issuer.jwks), (CONFIGURATION_PATH, issuer.configuration)] {
                let path = format!("{}{below}", url.path().trim_end_matches('/'));
                let path = path.trim_start_matches('/').to_owned();
                objects.push(Object { path, body: text.into_bytes() });
            }
        }
        let published = target.publish(&objects, CACHE_CONTROL).await.map_err(Failure::failed)?;
        let outcomes = published.iter().map(|one| (one.path.as_str(), outcome(one.outcome)));
        let outcomes: Vec<_> = outcomes.collect();
        let shown = outcomes.iter().map(|(path, outcome)| json!({"path": path, "outcome": outcome}));
        let shown = json!({"target": target.to_string(), "objects": shown.collect::<Vec<_>>()});
        output::print(output, &shown, |_| {
            let row = |(path, outcome): &(&str, &str)| vec![(*path).to_owned(), (*outcome).to_owned()];
            table(&["OBJECT", "OUTCOME"], outcomes.iter().map(row).collect())
        })
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    if outcome == Outcome::Written { "written" } else { "unchanged" }
}

impl Export {
    pub(in crate::cli) async fn execute(self) -> Result<(), Failure> {
        // The flag only makes the command line say what is printed.
        let Self { public: _, org } = self;
        let client = Client::from_environment()?;
        let found = client.get::<KeyDocuments>("/api/keys/documents").await?.parsed;
        let mut issuers = found.issuers.iter();
        let issuer = match &org {
            Some(org) => {
                let organization = client.get::<Organization>(&format!("/api/orgs/{org}")).await?.parsed;
                issuers.find(|one| one.issuer == organization.issuer)
            }
            None => issuers.find(|one| one.shared),
        };
        let issuer = issuer.ok_or_else(|| {
            Failure::failed("could not export the key set: the server has none for this issuer")
        })?;
        print_text(&format!("{}\n", safe(&issuer.jwks)))
    }
}
