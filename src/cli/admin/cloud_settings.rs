//! `runmint cloud-settings`

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::Value;

use crate::cli::api::client::Client;
use crate::cli::api::versioned::Versioned;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::input::json_of;
use crate::cli::terminal::output::{self, Format, remark};
use crate::cli::terminal::span::moment;
use crate::cli::terminal::table::{cell, table};
use crate::clock::{Clock, SystemClock};
use crate::issuer::organization_name::OrganizationName;

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    /// Show which roles and accounts the runs of an organization use
    #[command(after_help = "Examples:
  runmint cloud-settings show --org acme
  runmint cloud-settings show --org acme --output json > clouds.json")]
    Show {
        /// The organization
        #[arg(long, value_parser = OrganizationName::parse)]
        org: OrganizationName,
    },
    /// Put settings in the place of all that an organization has
    ///
    /// The file is what `show --output json` prints: with its version, nobody else's change is lost. Runs that
    /// have started keep the settings that they have.
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

const CLOUDS: [&str; 3] = ["aws", "azure", "gcp"];

impl Command {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        match self {
            Self::Show { org } => {
                let found = Client::from_environment()?.get(&path(&org)).await?;
                output::print(output, &found, describe)
            }
            Self::Set { org, file } => {
                let document = Versioned { path: &path(&org), member: "settings" };
                let saved = document.replace(&Client::from_environment()?, json_of(&file)?).await?;
                output::print(output, &saved, describe)?;
                remark(output, "\nRuns that start from now on get them.");
                Ok(())
            }
        }
    }
}

fn path(org: &OrganizationName) -> String {
    format!("/api/orgs/{org}/cloud-settings")
}

fn describe(document: &Value) -> String {
    let settings = document["settings"].as_array().map(Vec::as_slice).unwrap_or_default();
    if settings.is_empty() {
        return "No cloud settings.\n".to_owned();
    }
    let mut rows = Vec::new();
    for entry in settings {
        for cloud in CLOUDS.into_iter().filter(|cloud| entry[cloud].is_object()) {
            let about = |name: &str| entry[name].as_str().unwrap_or("any").to_owned();
            let who = ["roleArn", "clientId", "serviceAccount", "workloadPoolId"];
            let who = who.into_iter().find_map(|name| entry[cloud].get(name));
            let who = who.map_or_else(|| "-".to_owned(), cell);
            rows.push(vec![about("project"), about("stack"), about("operation"), cloud.to_owned(), who]);
        }
    }
    let modified = moment(&document["modified_at"], SystemClock.now(), "-");
    format!(
        "version {}, {modified}\n\n{}",
        document["version"],
        table(&["PROJECT", "STACK", "OPERATION", "CLOUD", "AS"], rows)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_cloud_of_an_entry_is_a_line() {
        let document = json!({"version": 2, "modified_at": null, "settings": [
            {"project": "web", "aws": {"roleArn": "arn:x"}, "gcp": {"projectId": "1", "workloadPoolId": "pool"}},
            {"azure": {"clientId": "c"}},
        ]});
        assert_eq!(
            describe(&document),
            "version 2, -\n\n\
             PROJECT  STACK  OPERATION  CLOUD  AS\n\
             web      any    any        aws    arn:x\n\
             web      any    any        gcp    pool\n\
             any      any    any        azure  c\n"
        );
        assert_eq!(describe(&json!({"settings": []})), "No cloud settings.\n");
    }
}
