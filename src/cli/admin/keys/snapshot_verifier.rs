//! `runmint keys snapshot-verifier` and `runmint keys acknowledge`

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::kid::kid;
use crate::api::snapshot_verifiers::{
    AcknowledgeKeys, CreateSnapshotVerifier, SnapshotVerifier, SnapshotVerifiers,
};
use crate::cli::api::client::Client;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, remark};
use crate::cli::terminal::span::time;
use crate::cli::terminal::table::{cell, table};
use crate::issuer::organization_name::OrganizationName;

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    /// Register a verifier with an uploaded key set, for which rotation waits
    #[command(after_help = "Example:  runmint keys snapshot-verifier add gcp/prod-pool")]
    Add {
        /// A name for people, without spaces
        name: String,
        /// The organization whose own issuer it trusts [default: the shared issuer]
        #[arg(long, value_parser = OrganizationName::parse)]
        org: Option<OrganizationName>,
    },
    /// List these verifiers and the keys that each is known to have
    #[command(after_help = "Example:  runmint keys snapshot-verifier list")]
    List,
    /// Remove a verifier; rotation no longer waits for it
    #[command(after_help = "Example:  runmint keys snapshot-verifier remove gcp/prod-pool")]
    Remove {
        /// Its name
        name: String,
    },
}

/// Record which keys a verifier with an uploaded key set has
///
/// Name the file that was uploaded: a newer key may be published already, and the verifier lacks it.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint keys export --public > jwks.json      then upload it, then
  runmint keys acknowledge gcp/prod-pool --jwks jwks.json
  runmint keys acknowledge gcp/prod-pool --kid NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")]
pub(in crate::cli) struct Acknowledge {
    /// The verifier's name
    name: String,
    /// The key set file that was uploaded
    #[arg(long, value_name = "FILE", conflicts_with = "kids")]
    jwks: Option<PathBuf>,
    /// The id of a key that it has; may be repeated
    #[arg(long = "kid", allow_hyphen_values = true, value_parser = kid)]
    kids: Vec<String>,
}

impl Command {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let client = Client::from_environment()?;
        match self {
            Self::Add { name, org } => {
                let organization = org.map(|org| org.as_str().to_owned());
                let body = CreateSnapshotVerifier { name: name.clone(), organization };
                let verifier = client.post("/api/snapshot-verifiers", &body).await?;
                verifier.print(output, |one| shown(std::slice::from_ref(one)))?;
                remark(
                    output,
                    &format!(
                        "\nNext:  runmint keys export --public > jwks.json, upload it, then runmint keys acknowledge {name} --jwks jwks.json"
                    ),
                );
                Ok(())
            }
            Self::List => {
                let found = client.get("/api/snapshot-verifiers").await?;
                found.print(output, |found: &SnapshotVerifiers| match found.snapshot_verifiers.as_slice() {
                    [] => "No snapshot verifiers.\n".to_owned(),
                    all => shown(all),
                })
            }
            Self::Remove { name } => {
                let id = id_of(&client, &name).await?;
                client.delete(&format!("/api/snapshot-verifiers/{id}")).await?;
                output::print(output, &json!({"name": name, "removed": true}), |_| {
                    format!("Rotation no longer waits for {name}.\n")
                })
            }
        }
    }
}

impl Acknowledge {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let kids = match self.jwks {
            Some(path) => kids_of(&path)?,
            None => self.kids,
        };
        if kids.is_empty() {
            return Err(Failure::usage(
                "could not acknowledge: no key is named; pass the uploaded file with --jwks, or key ids with --kid",
            ));
        }
        let client = Client::from_environment()?;
        let id = id_of(&client, &self.name).await?;
        let path = format!("/api/snapshot-verifiers/{id}/acknowledge");
        let verifier = client.post(&path, &AcknowledgeKeys { kids }).await?;
        verifier.print(output, |one| shown(std::slice::from_ref(one)))
    }
}

/// A key set (RFC 7517 §5), of which only the ids matter here.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<PublishedKey>,
}

#[derive(Deserialize)]
struct PublishedKey {
    kid: String,
}

/// The ids of the keys in a key set (RFC 7517 §5).
fn kids_of(path: &Path) -> Result<Vec<String>, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::failed(format!("could not read {shown}: {error}")))?;
    let set: KeySet = serde_json::from_str(&text)
        .map_err(|error| Failure::failed(format!("{shown} is not a key set: {error}")))?;
    if set.keys.is_empty() {
        return Err(Failure::failed(format!("{shown} is not a key set: it has no keys")));
    }
    Ok(set.keys.into_iter().map(|key| key.kid).collect())
}

async fn id_of(client: &Client, name: &str) -> Result<Uuid, Failure> {
    let found = client.get::<SnapshotVerifiers>("/api/snapshot-verifiers").await?.parsed;
    let mut named = found.snapshot_verifiers.iter().filter(|one| one.name == name);
    match (named.next(), named.next()) {
        (Some(one), None) => Ok(one.id),
        (Some(_), Some(_)) => Err(Failure::failed(format!(
            "snapshot verifiers of several issuers are named `{name}`: use the HTTP API with the id"
        ))),
        (None, _) => Err(Failure::failed(format!(
            "no snapshot verifier is named `{name}`; `runmint keys snapshot-verifier list` lists them"
        ))),
    }
}

fn shown(verifiers: &[SnapshotVerifier]) -> String {
    let row = |one: &SnapshotVerifier| {
        let has = if one.has.is_empty() { "no known key".to_owned() } else { one.has.join(" ") };
        vec![one.name.clone(), cell(&one.issuer), time(one.created_at), has]
    };
    table(&["NAME", "ISSUER", "CREATED", "HAS"], verifiers.iter().map(row).collect())
}
