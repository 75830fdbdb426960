//! `runmint policy replay`

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::exchanges::asked;
use super::file::policies_of;
use super::saved::of_issuer;
use crate::cli::admin::trusted_issuer::chosen::Chosen;
use crate::cli::api::client::Client;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format};
use crate::cli::terminal::span::time;
use crate::cli::terminal::table::{cell, table};

/// Decide the last exchanges anew by a draft, and show which would change
#[derive(Args)]
#[command(after_help = "Example:
  runmint policy replay github --org acme --draft draft.json --last 200")]
pub(in crate::cli) struct Replay {
    #[command(flatten)]
    chosen: Chosen,
    /// Policies as `policy set` takes them; - for standard input
    #[arg(long, value_name = "FILE")]
    draft: PathBuf,
    /// How many exchanges, at most [default: as many as the server takes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    last: Option<u32>,
}

impl Replay {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let draft = policies_of(&self.draft)?;
        let client = Client::from_environment()?;
        let issuer = self.chosen.find(&client).await?;
        let mut body = json!({"policies": draft});
        if let Some(last) = self.last {
            body["last"] = last.into();
        }
        let path = format!("{}/replay", of_issuer(self.chosen.org(), &issuer));
        let replayed = client.post(&path, Some(&body)).await?;
        output::print(output, &replayed, described)
    }
}

fn described(replayed: &Value) -> String {
    let count = cell(&replayed["replayed"]);
    let differences = replayed["differences"].as_array().map(Vec::as_slice).unwrap_or_default();
    if differences.is_empty() {
        return format!("Of the last {count} exchanges none would change.\n");
    }
    let row = |one: &Value| {
        let [before, after] = ["before", "after"].map(|name| cell(&one[name]));
        vec![time(&one["at"]), before, after, asked(&one["asked"]), cell(&one["claims"]["sub"])]
    };
    let rows = differences.iter().map(row).collect();
    let changes = table(&["AT", "BEFORE", "AFTER", "ASKED", "SUBJECT"], rows);
    format!("{changes}\nOf the last {count} exchanges {} would change.\n", differences.len())
}
