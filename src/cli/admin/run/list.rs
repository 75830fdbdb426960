//! `runmint run list`

use std::num::NonZeroUsize;

use clap::Args;

use crate::api::runs::{Run, RunPage};
use crate::cli::api::client::Client;
use crate::cli::api::pages;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{Format, remark};
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
    /// Show subjects and claims of tokens for this audience
    #[arg(long)]
    audience: Option<String>,
    /// The maximum number of runs
    #[arg(long, value_name = "N", default_value = "50")]
    limit: NonZeroUsize,
    /// List every run
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
        let list = pages::List { path: &path, filters: &filters };
        let wanted = if self.all { None } else { Some(self.limit.get()) };
        let found = list.fetch::<RunPage>(&Client::from_environment()?, wanted).await?;
        found.print(output, |found| runs(&found.runs))?;
        if found.parsed.next_cursor.is_some() {
            remark(output, "There are more: pass --limit N or --all.");
        }
        Ok(())
    }
}

fn runs(runs: &[Run]) -> String {
    if runs.is_empty() {
        return "No runs.\n".to_owned();
    }
    table(&["ID", "STATE", "SERVICE", "STARTED", "ENDS", "SUBJECT"], runs.iter().map(row).collect())
}

fn row(run: &Run) -> Vec<String> {
    vec![
        run.id.to_string(),
        cell(&run.state),
        run.service.clone(),
        time(run.created_at),
        time(run.ended_at.unwrap_or(run.expires_at)),
        cell(&run.content.subject),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_run_ends_at_its_deadline_unless_it_ended_before() {
        let run = |ended: Value| -> Run {
            let run = json!({
                "id": "d23f0824-128b-4f33-8c5c-7fd0a6a3a450", "organization": "acme", "service": "deploy",
                "state": "active", "attributes": {}, "audiences": null, "cloud": {}, "origin": null,
                "created_at": "2026-11-21T09:00:00Z", "expires_at": "2026-11-21T10:00:00Z", "ended_at": ended,
                "subject": "sub", "claims": {},
            });
            serde_json::from_value(run).unwrap()
        };
        let listed = |ended: Value| runs(&[run(ended)]).lines().last().unwrap().to_owned();
        let begin = "d23f0824-128b-4f33-8c5c-7fd0a6a3a450  active  deploy   2026-11-21T09:00:00Z";
        assert_eq!(listed(json!("2026-11-21T09:12:30.125Z")), format!("{begin}  2026-11-21T09:12:30Z  sub"));
        assert_eq!(listed(Value::Null), format!("{begin}  2026-11-21T10:00:00Z  sub"));
        assert_eq!(runs(&[]), "No runs.\n");
    }
}
