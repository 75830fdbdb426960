//! `runmint audience-profile`

mod path;
mod preset;
mod usage;

use std::path::PathBuf;

use clap::Subcommand;

use self::path::path;
use crate::api::audience_profiles::ProfileDocument;
use crate::cli::api::client::Client;
use crate::cli::api::versioned::Versioned;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::input::json_of;
use crate::cli::terminal::output::{Format, pretty, remark};
use crate::cli::terminal::span::moment;
use crate::clock::{Clock, SystemClock};
use crate::issuer::organization_name::OrganizationName;

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    /// Show how an organization's tokens differ by audience
    #[command(after_help = "Examples:
  runmint audience-profile show --org acme
  runmint audience-profile show --org acme --output json > profiles.json")]
    Show {
        /// The organization
        #[arg(long, value_parser = OrganizationName::parse)]
        org: OrganizationName,
    },
    /// Replace all audience profiles of an organization
    ///
    /// The file has the form that `show --output json` prints. Its version prevents overwriting another change.
    /// Runs that have started keep their profiles.
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
            Self::Show { org } => Client::from_environment()?.get(&path(&org)).await?.print(output, describe),
            Self::Set { org, file } => {
                let document = Versioned { path: &path(&org), member: "profiles" };
                let saved = document.replace(&Client::from_environment()?, json_of(&file)?).await?;
                saved.print(output, describe)?;
                remark(
                    output,
                    &format!(
                        "\nNew runs use them. To preview one:\n  \
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

fn describe(document: &ProfileDocument) -> String {
    if document.profiles.is_empty() {
        return "No profiles: tokens are the same for every audience.\n".to_owned();
    }
    let modified = moment(document.modified_at, SystemClock.now(), "-");
    format!("version {}, {modified}\n\n{}\n", document.version, pretty(&document.profiles))
}
