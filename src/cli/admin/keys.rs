//! `runmint keys`

mod kid;
mod list;
mod publish;
mod revoke;
mod snapshot_verifier;

use clap::Subcommand;
use serde_json::json;

use crate::cli::api::client::Client;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, remark};
use crate::cli::terminal::span::moment;
use crate::cli::terminal::table::cell;
use crate::clock::{Clock, SystemClock};
use crate::issuer::organization_name::OrganizationName;

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    List(list::List),
    /// Let the next key take over before its time
    ///
    /// Refused while it would make a verifier refuse a token: the next key has to be published for
    /// publish_ahead, every process has to serve it, and the key before the active one has to be gone. The
    /// answer says when it will be safe. For a key that others know, use `revoke`.
    #[command(after_help = "Examples:
  runmint keys rotate
  runmint keys rotate --algorithm ES256
  runmint keys rotate --org acme          the keys of acme's own issuer")]
    Rotate {
        /// The organization with an issuer of its own; without it, the shared issuer
        #[arg(long, value_parser = OrganizationName::parse)]
        org: Option<OrganizationName>,
        /// RS256 or ES256
        #[arg(long, default_value = "RS256", value_parser = ["RS256", "ES256"])]
        algorithm: String,
    },
    Revoke(revoke::Revoke),
    Acknowledge(snapshot_verifier::Acknowledge),
    /// Put every key under the sealing key that seals now
    ///
    /// Give every process the new sealing key first (sealing_key_file), and the old one beside it
    /// (old_sealing_key_files). Interrupted, it can be run again; afterwards the old one is not needed.
    #[command(after_help = "Example:  runmint keys reseal")]
    Reseal,
    Publish(publish::Publish),
    Export(publish::Export),
    /// Verifiers that hold an uploaded key set
    #[command(subcommand)]
    SnapshotVerifier(snapshot_verifier::Command),
}

impl Command {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.execute(output).await,
            Self::Rotate { org, algorithm } => rotate(org.as_ref(), &algorithm, output).await,
            Self::Revoke(revoke) => revoke.execute(output).await,
            Self::Acknowledge(acknowledge) => acknowledge.execute(output).await,
            Self::Reseal => reseal(output).await,
            Self::Publish(publish) => publish.execute(output).await,
            Self::Export(export) => export.execute().await,
            Self::SnapshotVerifier(command) => command.execute(output).await,
        }
    }
}

async fn rotate(org: Option<&OrganizationName>, algorithm: &str, output: Format) -> Result<(), Failure> {
    let body = json!({"organization": org, "algorithm": algorithm});
    let rotated = Client::from_environment()?.post("/api/keys/rotate", Some(&body)).await?;
    output::print(output, &rotated, |rotated| {
        let from = moment(&rotated["signs_from"], SystemClock.now(), "-");
        format!("Key {} signs from {from}.\n", cell(&rotated["kid"]))
    })?;
    remark(output, "The key before it stays published until its last token is over: runmint keys list");
    Ok(())
}

async fn reseal(output: Format) -> Result<(), Failure> {
    let resealed = Client::from_environment()?.post("/api/keys/reseal", None).await?;
    output::print(output, &resealed, |resealed| {
        let sealing_key = cell(&resealed["sealing_key"]);
        match resealed["keys"].as_u64() {
            Some(0) => format!("Every key was under sealing key {sealing_key} already.\n"),
            _ => format!("{} keys are under sealing key {sealing_key} now.\n", cell(&resealed["keys"])),
        }
    })
}
