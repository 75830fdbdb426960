//! `runmint policy`

pub(in crate::cli) mod described;
mod exchanges;
pub(in crate::cli) mod file;
mod lint;
mod replay;
pub(in crate::cli) mod saved;
mod test;

use std::path::PathBuf;

use clap::Subcommand;

use self::described::{findings_text, policies_text};
use self::saved::{of_issuer, put};
use crate::api::policies::IssuerPolicies;
use crate::cli::admin::trusted_issuer::chosen::Chosen;
use crate::cli::api::client::Client;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{Format, remark};
use crate::cli::terminal::span::moment;
use crate::cli::terminal::table::fields;
use crate::clock::{Clock, SystemClock};

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    /// Show an issuer's policies and their risks
    #[command(after_help = "Examples:
  runmint policy show github --org acme
  runmint policy show github --org acme --output json > policies.json")]
    Show(Chosen),
    /// Replace all policies of an issuer
    #[command(after_help = "Examples:
  runmint policy set github --org acme --file policies.json
  runmint policy show github --org acme --output json | jq '.policies[0].teamName = \"web\"' |
    runmint policy set github --org acme --file -")]
    Set {
        #[command(flatten)]
        chosen: Chosen,
        /// A JSON array of policies, or an object with `policies`; - for standard input
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    Test(test::Test),
    Replay(replay::Replay),
    Lint(lint::Lint),
    Exchanges(exchanges::Exchanges),
}

impl Command {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        match self {
            Self::Show(chosen) => {
                let client = Client::from_environment()?;
                let issuer = chosen.find(&client).await?.parsed;
                let found = client.get(&of_issuer(chosen.org(), issuer.id)).await?;
                found.print(output, |found: &IssuerPolicies| {
                    format!("{}\n{}", describe(found), findings_text(&found.findings))
                })
            }
            Self::Set { chosen, file } => set(&chosen, &file, output).await,
            Self::Test(test) => test.execute(output).await,
            Self::Replay(replay) => replay.execute(output).await,
            Self::Lint(lint) => lint.execute(output).await,
            Self::Exchanges(exchanges) => exchanges.execute(output).await,
        }
    }
}

async fn set(chosen: &Chosen, file: &std::path::Path, output: Format) -> Result<(), Failure> {
    let policies = file::policies_of(file)?;
    let client = Client::from_environment()?;
    let issuer = chosen.find(&client).await?.parsed;
    let saved = put(&client, chosen.org(), issuer.id, &policies).await?;
    saved.print(output, describe)?;
    let findings = findings_text(&saved.parsed.findings);
    if !findings.is_empty() {
        remark(output, &format!("\n{findings}"));
    }
    Ok(())
}

fn describe(saved: &IssuerPolicies) -> String {
    let facts = fields(&[
        ("version", saved.version.to_string()),
        ("modified", moment(saved.modified, SystemClock.now(), "-")),
    ]);
    format!("{facts}\n{}", policies_text(&saved.policies))
}
