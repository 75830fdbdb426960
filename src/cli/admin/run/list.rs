//! `runmint run list`

use std::num::NonZeroUsize;

use clap::Args;
use serde_json::Value;

use crate::cli::api::client::Client;
use crate::cli::api::pages;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, remark};
use crate::cli::terminal::span::time;
use crate::cli::terminal::table::{cell, table};
use crate::issuer::organization_name::OrganizationName;

/// List the runs of an organization, newest first
#[derive(Args)]
#[command(after_help = "Examples:
  runmint run list --org acme --state active
  runmint run list --org acme --all --output json | jq -r '.runs[].subject' | sort -u")]
pub(in crate::cli) struct List {
    /// The organization
    #[arg(long, value_parser = OrganizationName::parse)]
    org: OrganizationName,
    /// Only runs in this state
    #[arg(long, value_parser = ["active", "finished", "cancelled", "expired"])]
    state: Option<String>,
    /// Only runs of this service
    #[arg(long)]
    service: Option<String>,
    /// Only runs with exactly this subject
    #[arg(long)]
    subject: Option<String>,
    /// Show subjects and claims as tokens for this audience have them
    #[arg(long)]
    audience: Option<String>,
    /// How many
    #[arg(long, value_name = "N", default_value = "50")]
    limit: NonZeroUsize,
    /// Every one, however many
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl List {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let path = format!("/api/orgs/{}/runs", self.org);
        let filters = [
            ("state", self.state.as_deref()),
            ("service", self.service.as_deref()),
            ("subject", self.subject.as_deref()),
            ("audience", self.audience.as_deref()),
        ];
        let filters: Vec<(&str, &str)> =
            filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let list = pages::List { path: &path, member: "runs", filters: &filters };
        let wanted = if self.all { None } else { Some(self.limit.get()) };
        let found = list.fetch(&Client::from_environment()?, wanted).await?;
        output::print(output, &found, runs)?;
        if !found["next_cursor"].is_null() {
            remark(output, "There are more: --limit N or --all.");
        }
        Ok(())
    }
}

fn runs(found: &Value) -> String {
    let runs = found["runs"].as_array().map(Vec::as_slice).unwrap_or_default();
    if runs.is_empty() {
        return "No runs.\n".to_owned();
    }
    let row = |run: &Value| {
        let ends = if run["ended_at"].is_null() { &run["expires_at"] } else { &run["ended_at"] };
        let [id, state, service, subject] =
            ["id", "state", "service", "subject"].map(|name| cell(&run[name]));
        vec![id, state, service, time(&run["created_at"]), time(ends), subject]
    };
    table(&["ID", "STATE", "SERVICE", "STARTED", "ENDS", "SUBJECT"], runs.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_ends_at_its_deadline_until_it_really_ended() {
        let run = |id: &str, ended: Value| {
            json!({
                "id": id, "state": "s", "service": "deploy", "subject": "sub", "ended_at": ended,
                "created_at": "2026-11-21T09:00:00Z", "expires_at": "2026-11-21T10:00:00Z",
            })
        };
        let found = json!({"runs": [run("1", json!("2026-11-21T09:12:30.125Z")), run("2", Value::Null)]});
        assert_eq!(
            runs(&found),
            "ID  STATE  SERVICE  STARTED               ENDS                  SUBJECT\n\
             1   s      deploy   2026-11-21T09:00:00Z  2026-11-21T09:12:30Z  sub\n\
             2   s      deploy   2026-11-21T09:00:00Z  2026-11-21T10:00:00Z  sub\n"
        );
        assert_eq!(runs(&json!({"runs": []})), "No runs.\n");
    }
}
