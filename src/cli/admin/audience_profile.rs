//! `runmint audience-profile`

mod path;
mod preset;
mod usage;

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::Value;

use self::path::path;
use crate::cli::api::client::Client;
use crate::cli::api::versioned::Versioned;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::input::json_of;
use crate::cli::terminal::output::{self, Format, pretty, remark};
use crate::cli::terminal::span::moment;
use crate::clock::{Clock, SystemClock};
use crate::issuer::organization_name::OrganizationName;

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    /// Show how an organization's tokens differ for some audiences
    #[command(after_help = "Examples:
  runmint audience-profile show --org acme
  runmint audience-profile show --org acme --output json > profiles.json")]
    Show {
        /// The organization
        #[arg(long, value_parser = OrganizationName::parse)]
        org: OrganizationName,
    },
    /// Put profiles in the place of all that an organization has
    ///
    /// The file is what `show --output json` prints: with its version, nobody else's change is lost. Runs that
    /// have started go on by the profiles that they have.
    #[command(after_help = "Examples:
  runmint audience-profile set --org acme --file profiles.json
  runmint audience-profile preset google | runmint audience-profile set --org acme --file -")]
    Set {
        /// The organization
        #[arg(long, value_parser = OrganizationName::parse)]
        org: OrganizationName,
        /// A JSON object with `profiles`; - for standard input
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    Preset(preset::Preset),
    Usage(usage::Usage),
}

impl Command {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        match self {
            Self::Show { org } => {
                let found = Client::from_environment()?.get(&path(&org)).await?;
                output::print(output, &found, describe)
            }
            Self::Set { org, file } => {
                let document = Versioned { path: &path(&org), member: "profiles" };
                let saved = document.replace(&Client::from_environment()?, json_of(&file)?).await?;
                output::print(output, &saved, describe)?;
                remark(
                    output,
                    &format!(
                        "\nRuns that start from now on go by them. What one would say:\n  \
                         runmint run preview --org {org} --shown-for AUDIENCE project=… stack=… operation=…"
                    ),
                );
                Ok(())
            }
            Self::Preset(preset) => preset.execute(),
            Self::Usage(usage) => usage.execute(output).await,
        }
    }
}

fn describe(document: &Value) -> String {
    if document["profiles"].as_object().is_none_or(serde_json::Map::is_empty) {
        return "No profiles: tokens are the same for every audience.\n".to_owned();
    }
    let modified = moment(&document["modified_at"], SystemClock.now(), "-");
    format!("version {}, {modified}\n\n{}\n", document["version"], pretty(&document["profiles"]))
}
