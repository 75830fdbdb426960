//! `runmint audience-profile usage`

use clap::Args;
use jiff::Timestamp;

use super::path::path;
use crate::api::audience_profiles::{SubjectFormat, SubjectFormats};
use crate::cli::api::client::{Client, with_query};
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::Format;
use crate::cli::terminal::span::moment;
use crate::cli::terminal::table::table;
use crate::clock::{Clock, SystemClock};
use crate::issuer::organization_name::OrganizationName;

/// Show which subject formats the last runs used
///
/// A migration is complete when the old format is no longer listed.
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
    /// How many runs to examine, newest first [default: 5000]
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
        found.print(output, |found| describe(found, SystemClock.now()))
    }
}

fn describe(found: &SubjectFormats, now: Timestamp) -> String {
    if found.formats.is_empty() {
        return "No tokens.\n".to_owned();
    }
    let row = |format: &SubjectFormat| {
        vec![
            format.audience.clone(),
            format.runs.to_string(),
            format.tokens.to_string(),
            moment(format.last_minted_at, now, "-"),
            format.last_run.to_string(),
            format.projects.join(","),
            format.subject.clone(),
        ]
    };
    let heading = ["AUDIENCE", "RUNS", "TOKENS", "LAST", "LAST RUN", "PROJECTS", "SUBJECT"];
    table(&heading, found.formats.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_format_is_a_line() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let format = SubjectFormat {
            audience: "vault".into(),
            service: "deploy".into(),
            subject: "{prefix}:x".into(),
            is_services_own: false,
            tokens: 5,
            runs: 2,
            projects: vec!["shop".into(), "web".into()],
            last_minted_at: now,
            last_run: Uuid::nil(),
        };
        assert_eq!(
            describe(&SubjectFormats { formats: vec![format] }, now),
            "AUDIENCE  RUNS  TOKENS  LAST                           LAST RUN                              PROJECTS  SUBJECT\n\
             vault     2     5       2026-01-02T03:04:05Z (in 0 s)  00000000-0000-0000-0000-000000000000  shop,web  {prefix}:x\n"
        );
        assert_eq!(describe(&SubjectFormats { formats: Vec::new() }, now), "No tokens.\n");
    }
}
