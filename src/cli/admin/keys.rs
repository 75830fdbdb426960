//! `runmint keys`

mod kid;
mod list;
mod publish;
mod revoke;
mod snapshot_verifier;

use clap::Subcommand;

use crate::api::Word;
use crate::api::keys::{Algorithm, KeyTakesOver, Resealed, RotateKeys};
use crate::cli::api::client::Client;
use crate::cli::terminal::arguments::algorithm;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{Format, remark, safe};
use crate::cli::terminal::span::moment;
use crate::clock::{Clock, SystemClock};
use crate::issuer::organization_name::OrganizationName;

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    List(list::List),
    /// Promote the next key now
    ///
    /// Refused while a verifier could refuse tokens of that key: it must have been published for publish_ahead,
    /// every process must serve it, and the previous key must have left the key set. The refusal says when it
    /// will be safe. For a compromised key, use `revoke`.
    #[command(after_help = "Examples:
  runmint keys rotate
  runmint keys rotate --algorithm ES256
  runmint keys rotate --org acme          the keys of acme's own issuer")]
    Rotate {
        /// The organization with its own issuer [default: the shared issuer]
        #[arg(long, value_parser = OrganizationName::parse)]
        org: Option<OrganizationName>,
        /// RS256 or ES256
        #[arg(long, default_value = "RS256", value_parser = algorithm())]
        algorithm: Word<Algorithm>,
    },
    Revoke(revoke::Revoke),
    Acknowledge(snapshot_verifier::Acknowledge),
    /// Seal every key under the current sealing key
    ///
    /// First give every process the new sealing key (sealing_key_file) and the old one (old_sealing_key_files).
    /// If interrupted, run it again. Afterwards the old sealing key is no longer needed.
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
            Self::Rotate { org, algorithm } => rotate(org, algorithm, output).await,
            Self::Revoke(revoke) => revoke.execute(output).await,
            Self::Acknowledge(acknowledge) => acknowledge.execute(output).await,
            Self::Reseal => reseal(output).await,
            Self::Publish(publish) => publish.execute(output).await,
            Self::Export(export) => export.execute().await,
            Self::SnapshotVerifier(command) => command.execute(output).await,
        }
    }
}

async fn rotate(
    org: Option<OrganizationName>,
    algorithm: Word<Algorithm>,
    output: Format,
) -> Result<(), Failure> {
    let body =
        RotateKeys { organization: org.map(|org| org.as_str().to_owned()), algorithm: Some(algorithm) };
    let rotated = Client::from_environment()?.post::<KeyTakesOver>("/api/keys/rotate", &body).await?;
    rotated.print(output, |rotated| {
        let from = moment(rotated.signs_from, SystemClock.now(), "-");
        format!("Key {} signs from {from}.\n", safe(&rotated.kid))
    })?;
    remark(output, "The previous key stays published until its last token expires: runmint keys list");
    Ok(())
}

async fn reseal(output: Format) -> Result<(), Failure> {
    let resealed = Client::from_environment()?.post_empty("/api/keys/reseal").await?;
    resealed.print(output, |Resealed { keys, sealing_key }| match keys {
        0 => format!("Every key is sealed under sealing key {sealing_key} already.\n"),
        _ => format!("{keys} keys are now sealed under sealing key {sealing_key}.\n"),
    })
}
