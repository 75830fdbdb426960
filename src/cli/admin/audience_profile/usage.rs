//! `runmint audience-profile usage`

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

use super::path::path;
use crate::cli::api::client::{Client, with_query};
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format};
use crate::cli::terminal::span::moment;
use crate::cli::terminal::table::{cell, table};
use crate::clock::{Clock, SystemClock};
use crate::issuer::organization_name::OrganizationName;

/// Show which formats of subject the last runs' tokens had
///
/// A migration is over once the old format is not here any more.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint audience-profile usage --org acme --audience sts.amazonaws.com
  runmint audience-profile usage --org acme --runs 200 --output json")]
pub(in crate::cli) struct Usage {
    /// The organization
    #[arg(long, value_parser = OrganizationName::parse)]
    org: OrganizationName,
    /// Only tokens for this audience
    #[arg(long)]
    audience: Option<String>,
    /// How many runs to look at, the newest first [default: 5000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=5_000))]
    runs: Option<u16>,
}

impl Usage {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let runs = self.runs.map(|runs| runs.to_string());
        let pairs = [("audience", self.audience.as_deref()), ("runs", runs.as_deref())];
        let pairs: Vec<(&str, &str)> =
            pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let path = with_query(&format!("{}/usage", path(&self.org)), &pairs);
        let found = Client::from_environment()?.get(&path).await?;
        output::print(output, &found, |found| describe(found, SystemClock.now()))
    }
}

fn describe(found: &Value, now: Timestamp) -> String {
    let formats = found["formats"].as_array().map(Vec::as_slice).unwrap_or_default();
    if formats.is_empty() {
        return "No tokens.\n".to_owned();
    }
    let row = |format: &Value| {
        let projects = format["projects"].as_array().map(Vec::as_slice).unwrap_or_default();
        vec![
            cell(&format["audience"]),
            cell(&format["runs"]),
            cell(&format["tokens"]),
            moment(&format["last_minted_at"], now, "-"),
            cell(&format["last_run"]),
            projects.iter().map(cell).collect::<Vec<_>>().join(","),
            cell(&format["subject"]),
        ]
    };
    let heading = ["AUDIENCE", "RUNS", "TOKENS", "LAST", "LAST RUN", "PROJECTS", "SUBJECT"];
    table(&heading, formats.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_format_is_a_line() {
        let found = json!({"formats": [{
            "audience": "vault", "runs": 2, "tokens": 5, "last_minted_at": null, "last_run": "r", "projects": ["shop", "web"],
            "subject": "{prefix}:x",
        }]});
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(
            describe(&found, now),
            "AUDIENCE  RUNS  TOKENS  LAST  LAST RUN  PROJECTS  SUBJECT\n\
             vault     2     5       -     r         shop,web  {prefix}:x\n"
        );
        assert_eq!(describe(&json!({"formats": []}), now), "No tokens.\n");
    }
}
