//! `runmint cloud-settings`

use std::path::PathBuf;

use clap::Subcommand;

use crate::api::OrNewer;
use crate::api::cloud_settings::CloudDocument;
use crate::cli::api::client::Client;
use crate::cli::api::versioned::Versioned;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::input::json_of;
use crate::cli::terminal::output::{Format, remark};
use crate::cli::terminal::span::moment;
use crate::cli::terminal::table::{cell, table};
use crate::clock::{Clock, SystemClock};
use crate::clouds::settings::document::CloudEntry;
use crate::issuer::organization_name::OrganizationName;

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    /// Show which role or account an organization's runs use in each cloud
    #[command(after_help = "Examples:
  runmint cloud-settings show --org acme
  runmint cloud-settings show --org acme --output json > clouds.json")]
    Show {
        /// The organization
        #[arg(long, value_parser = OrganizationName::parse)]
        org: OrganizationName,
    },
    /// Replace all cloud settings of an organization
    ///
    /// The file has the form that `show --output json` prints. Its version prevents overwriting another change.
    /// Runs that have started keep their settings.
    #[command(after_help = "Examples:
  runmint cloud-settings set --org acme --file clouds.json
  echo '{\"settings\": [{\"project\": \"website\", \"aws\": {\"roleArn\": \"arn:aws:iam::123456789012:role/website\"}}]}' |
    runmint cloud-settings set --org acme --file -")]
    Set {
        /// The organization
        #[arg(long, value_parser = OrganizationName::parse)]
        org: OrganizationName,
        /// A JSON object with `settings`; - for standard input
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
}

impl Command {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        match self {
            Self::Show { org } => Client::from_environment()?.get(&path(&org)).await?.print(output, describe),
            Self::Set { org, file } => {
                let document = Versioned { path: &path(&org), member: "settings" };
                let saved = document.replace(&Client::from_environment()?, json_of(&file)?).await?;
                saved.print(output, describe)?;
                remark(output, "\nNew runs get them.");
                Ok(())
            }
        }
    }
}

fn path(org: &OrganizationName) -> String {
    format!("/api/orgs/{org}/cloud-settings")
}

fn describe(document: &CloudDocument) -> String {
    if document.settings.is_empty() {
        return "No cloud settings.\n".to_owned();
    }
    let rows = document.settings.iter().flat_map(rows).collect();
    let modified = moment(document.modified_at, SystemClock.now(), "-");
    let heading = ["PROJECT", "STACK", "OPERATION", "CLOUD", "AS"];
    format!("version {}, {modified}\n\n{}", document.version, table(&heading, rows))
}

/// One row for each cloud of an entry.
fn rows(entry: &OrNewer<CloudEntry>) -> Vec<Vec<String>> {
    let CloudEntry { project, stack, operation, aws, azure, gcp } = match entry {
        OrNewer::Known(entry) => entry,
        OrNewer::Newer(entry) => {
            return vec![["-", "-", "-", "-", &entry.to_string()].map(str::to_owned).into()];
        }
    };
    let gcp = gcp.as_ref().map(|gcp| match &gcp.service_account {
        Some(account) => cell(account),
        None => cell(&gcp.workload_pool_id),
    });
    let identities = [
        ("aws", aws.as_ref().map(|aws| cell(&aws.role_arn))),
        ("azure", azure.as_ref().map(|azure| cell(&azure.client_id))),
        ("gcp", gcp),
    ];
    let about = [project, stack, operation].map(|name| name.clone().unwrap_or_else(|| "any".to_owned()));
    let row = |cloud: &str, identity| about.iter().cloned().chain([cloud.to_owned(), identity]).collect();
    identities.into_iter().filter_map(|(cloud, identity)| Some(row(cloud, identity?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_cloud_of_an_entry_is_a_line() {
        let guid = "11111111-2222-3333-4444-555555555555";
        let document = json!({"version": 2, "modified_at": null, "settings": [
            {
                "project": "web", "aws": {"roleArn": "arn:aws:iam::123456789012:role/web"},
                "gcp": {"projectId": "123456789012", "workloadPoolId": "pool", "providerId": "runmint"},
            },
            {"azure": {"clientId": guid, "tenantId": guid}},
            {"oracle": {}},
        ]});
        assert_eq!(
            describe(&serde_json::from_value(document).unwrap()),
            "version 2, -\n\n\
             PROJECT  STACK  OPERATION  CLOUD  AS\n\
             web      any    any        aws    arn:aws:iam::123456789012:role/web\n\
             web      any    any        gcp    pool\n\
             any      any    any        azure  11111111-2222-3333-4444-555555555555\n\
             -        -      -          -      {\"oracle\":{}}\n"
        );
        let none = CloudDocument { version: 0, settings: Vec::new(), modified_at: None };
        assert_eq!(describe(&none), "No cloud settings.\n");
    }
}
