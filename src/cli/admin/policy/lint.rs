//! `runmint policy lint`

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::described::findings_text;
use super::file::policies_of;
use super::saved::of_issuer;
use crate::cli::admin::trusted_issuer::chosen::find;
use crate::cli::api::client::Client;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format};
use crate::issuer::organization_name::OrganizationName;
use crate::trust::lint::lint;
use crate::trust::policy::saving::check_for_saving;

/// Say what is risky about policies: those of an issuer, or those in a file
///
/// With --file alone no server is asked. Exit code 1 when strangers would get in.
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
    /// The issuer's URL, by which its claims are known
    #[arg(long, requires = "file", conflicts_with = "issuer")]
    url: Option<String>,
}

impl Lint {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let findings = self.findings().await?;
        let refused = findings.as_array().into_iter().flatten().filter(|one| one["severity"] == "refuse");
        let refused = refused.count();
        output::print(output, &json!({"findings": findings}), |found| {
            match findings_text(&found["findings"]).as_str() {
                "" => "Nothing is risky.\n".to_owned(),
                text => text.to_owned(),
            }
        })?;
        match refused {
            0 => Ok(()),
            _ => Err(Failure::failed("strangers would get in")),
        }
    }

    async fn findings(&self) -> Result<Value, Failure> {
        let server = match (&self.issuer, &self.org) {
            (Some(issuer), Some(org)) => {
                let client = Client::from_environment()?;
                let issuer = find(&client, org, issuer).await?;
                Some((client, org, issuer))
            }
            _ => None,
        };
        match (&self.file, server) {
            (Some(file), server) => {
                let policies = policies_of(file)?;
                // Which services there are only a server knows.
                check_for_saving(&policies, |_| Some(BTreeSet::new())).map_err(Failure::failed)?;
                let url = server.and_then(|(_, _, issuer)| issuer["url"].as_str().map(str::to_owned));
                let url = url.or_else(|| self.url.clone()).unwrap_or_default();
                Ok(json!(lint(&policies, &url)))
            }
            (None, Some((client, org, issuer))) => {
                let mut found = client.get(&of_issuer(org, &issuer)).await?;
                Ok(found["findings"].take())
            }
            (None, None) => Err(Failure::usage("name an issuer or a --file")),
        }
    }
}
