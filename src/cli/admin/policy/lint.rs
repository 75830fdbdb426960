//! `runmint policy lint`

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::described::findings_text;
use super::file::policies_of;
use super::saved::of_issuer;
use crate::api::policies::{Finding, IssuerPolicies};
use crate::cli::admin::trusted_issuer::chosen::find;
use crate::cli::api::answer::Answer;
use crate::cli::api::client::Client;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::Format;
use crate::issuer::organization_name::OrganizationName;
use crate::trust::lint::{Severity, lint};
use crate::trust::policy::saving::check_for_saving;

/// Report risky policies of an issuer or in a file
///
/// With --file alone no server is needed. Exits with 1 if another customer of the issuer could get tokens.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint policy lint github --org acme
  runmint policy lint --file policies.json --url https://token.actions.githubusercontent.com
  runmint policy lint github --org acme --file draft.json")]
pub(in crate::cli) struct Lint {
    /// The issuer's name, id or URL
    #[arg(required_unless_present = "file", requires = "org")]
    issuer: Option<String>,
    /// The organization that trusts it
    #[arg(long, value_parser = OrganizationName::parse, requires = "issuer")]
    org: Option<OrganizationName>,
    /// Policies as `policy set` takes them, instead of the issuer's; - for standard input
    #[arg(long)]
    file: Option<PathBuf>,
    /// The issuer's URL, which determines the meaning of its claims
    #[arg(long, requires = "file", conflicts_with = "issuer")]
    url: Option<String>,
}

impl Lint {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let findings = self.findings().await?;
        findings.print(output, |found| match findings_text(&found.findings).as_str() {
            "" => "No risks found.\n".to_owned(),
            text => text.to_owned(),
        })?;
        if findings.parsed.findings.iter().any(|one| one.severity == Severity::Refuse) {
            return Err(Failure::failed("strangers could get tokens"));
        }
        Ok(())
    }

    async fn findings(&self) -> Result<Answer<Findings>, Failure> {
        let server = match (&self.issuer, &self.org) {
            (Some(issuer), Some(org)) => {
                let client = Client::from_environment()?;
                let issuer = find(&client, org, issuer).await?.parsed;
                Some((client, org, issuer))
            }
            _ => None,
        };
        let raw = match (&self.file, server) {
            (Some(file), server) => {
                let policies = policies_of(file)?;
                // Only a server knows the services.
                check_for_saving(&policies, |_| Some(BTreeSet::new())).map_err(Failure::failed)?;
                let url = server.map(|(_, _, issuer)| issuer.url).or_else(|| self.url.clone());
                json!(lint(&policies, &url.unwrap_or_default()))
            }
            (None, Some((client, org, issuer))) => {
                let found = client.get::<IssuerPolicies>(&of_issuer(org, issuer.id)).await?;
                found.raw.get("findings").cloned().unwrap_or_default()
            }
            (None, None) => return Err(Failure::usage("name an issuer, or pass --file")),
        };
        Answer::read(json!({"findings": raw})).map_err(Failure::failed)
    }
}

#[derive(Deserialize)]
struct Findings {
    findings: Vec<Finding>,
}
