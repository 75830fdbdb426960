//! `runmint keys snapshot-verifier` and `runmint keys acknowledge`

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::kid::kid;
use crate::cli::api::client::Client;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, entries, remark};
use crate::cli::terminal::span::time;
use crate::cli::terminal::table::{cell, table};
use crate::issuer::organization_name::OrganizationName;

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    /// Let rotation wait for a verifier that somebody uploads the key set to
    #[command(after_help = "Example:  runmint keys snapshot-verifier add gcp/prod-pool")]
    Add {
        /// What people shall know it by, without blanks
        name: String,
        /// The organization with an issuer of its own; without it, the shared issuer
        #[arg(long, value_parser = OrganizationName::parse)]
        org: Option<OrganizationName>,
    },
    /// List them, and the keys that each is known to have
    #[command(after_help = "Example:  runmint keys snapshot-verifier list")]
    List,
    /// Rotation does not wait for it any more
    #[command(after_help = "Example:  runmint keys snapshot-verifier remove gcp/prod-pool")]
    Remove {
        /// Its name
        name: String,
    },
}

/// Say which keys a verifier with an uploaded key set has
///
/// Name the file that was uploaded: a key that was made since is published, and the verifier lacks it.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint keys export --public > jwks.json      then upload it, then
  runmint keys acknowledge gcp/prod-pool --jwks jwks.json
  runmint keys acknowledge gcp/prod-pool --kid NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")]
pub(in crate::cli) struct Acknowledge {
    /// The verifier's name
    name: String,
    /// The key set that was uploaded there
    #[arg(long, value_name = "FILE", conflicts_with = "kids")]
    jwks: Option<PathBuf>,
    /// A key that it has; may be given several times
    #[arg(long = "kid", allow_hyphen_values = true, value_parser = kid)]
    kids: Vec<String>,
}

impl Command {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let client = Client::from_environment()?;
        match self {
            Self::Add { name, org } => {
                let body = json!({"name": name, "organization": org});
                let verifier = client.post("/api/snapshot-verifiers", Some(&body)).await?;
                output::print(output, &verifier, |one| shown(std::slice::from_ref(one)))?;
                remark(
                    output,
                    &format!(
                        "\nNext:  runmint keys export --public > jwks.json, upload it there, runmint keys acknowledge {name} --jwks jwks.json"
                    ),
                );
                Ok(())
            }
            Self::List => {
                let found = client.get("/api/snapshot-verifiers").await?;
                output::print(output, &found, |found| {
                    let all: Vec<Value> = entries(&found["snapshot_verifiers"]).cloned().collect();
                    if all.is_empty() { "No snapshot verifiers.\n".to_owned() } else { shown(&all) }
                })
            }
            Self::Remove { name } => {
                let id = id_of(&client, &name).await?;
                client.delete(&format!("/api/snapshot-verifiers/{id}")).await?;
                output::print(output, &json!({"name": name, "removed": true}), |_| {
                    format!("Rotation does not wait for {name} any more.\n")
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
                "say which keys were uploaded: --jwks with the file that was, or --kid (what is published by now may be more)",
            ));
        }
        let client = Client::from_environment()?;
        let id = id_of(&client, &self.name).await?;
        let body = json!({"kids": kids});
        let verifier = client.post(&format!("/api/snapshot-verifiers/{id}/acknowledge"), Some(&body)).await?;
        output::print(output, &verifier, |one| shown(std::slice::from_ref(one)))
    }
}

/// The ids of the keys in a key set (RFC 7517 §5).
fn kids_of(path: &Path) -> Result<Vec<String>, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| Failure::failed(format!("{shown}: {error}")))?;
    let set: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::failed(format!("{shown} is not a key set: {error}")))?;
    let kids: Option<Vec<String>> =
        entries(&set["keys"]).map(|key| key["kid"].as_str().map(str::to_owned)).collect();
    kids.filter(|kids| !kids.is_empty())
        .ok_or_else(|| Failure::failed(format!("{shown} is not a key set whose keys all have a `kid`")))
}

async fn id_of(client: &Client, name: &str) -> Result<String, Failure> {
    let found = client.get("/api/snapshot-verifiers").await?;
    let mut named = entries(&found["snapshot_verifiers"]).filter(|one| one["name"] == name);
    match (named.next(), named.next()) {
        (Some(one), None) => Ok(cell(&one["id"])),
        (Some(_), Some(_)) => Err(Failure::failed(format!(
            "several issuers have a snapshot verifier `{name}`: use the HTTP API with its id"
        ))),
        (None, _) => Err(Failure::failed(format!(
            "there is no snapshot verifier `{name}`; `runmint keys snapshot-verifier list` shows them"
        ))),
    }
}

fn shown(verifiers: &[Value]) -> String {
    let row = |one: &Value| {
        let has: Vec<String> = entries(&one["has"]).map(cell).collect();
        let has = if has.is_empty() { "no key that is known".to_owned() } else { has.join(" ") };
        vec![cell(&one["name"]), cell(&one["issuer"]), time(&one["created_at"]), has]
    };
    table(&["NAME", "ISSUER", "CREATED", "HAS"], verifiers.iter().map(row).collect())
}
