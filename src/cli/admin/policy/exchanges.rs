//! `runmint policy exchanges`

use clap::Args;
use serde_json::Value;

use super::saved::of_issuer;
use crate::cli::admin::trusted_issuer::chosen::Chosen;
use crate::cli::api::client::Client;
use crate::cli::api::pages::List;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format};
use crate::cli::terminal::span::time;
use crate::cli::terminal::table::{cell, table};

/// List the last exchanges of an issuer's tokens, and how they were decided
///
/// Tokens are never kept; --output json shows the claims that each had.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint policy exchanges github --org acme
  runmint policy exchanges github --org acme --output json | jq '.exchanges[0].claims' > claims.json")]
pub(in crate::cli) struct Exchanges {
    #[command(flatten)]
    chosen: Chosen,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=3_000))]
    limit: u32,
}

impl Exchanges {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let client = Client::from_environment()?;
        let issuer = self.chosen.find(&client).await?;
        let path = format!("{}/exchanges", of_issuer(self.chosen.org(), &issuer));
        let list = List { path: &path, member: "exchanges", filters: &[] };
        let found = list.fetch(&client, Some(self.limit as usize)).await?;
        output::print(output, &found, |found| match found["exchanges"].as_array() {
            Some(all) if !all.is_empty() => {
                let row = |one: &Value| {
                    let [at, subject] = [time(&one["at"]), cell(&one["claims"]["sub"])];
                    vec![at, cell(&one["outcome"]), asked(&one["asked"]), cell(&one["caller"]), subject]
                };
                table(&["AT", "OUTCOME", "ASKED", "CALLER", "SUBJECT"], all.iter().map(row).collect())
            }
            _ => "No exchanges.\n".to_owned(),
        })
    }
}

/// What was asked for, as `policy test --as` takes it.
pub(super) fn asked(asked: &Value) -> String {
    let name = || cell(&asked["name"]);
    match asked["token_type"].as_str() {
        Some("organization") if asked["admin"] == true => "admin".to_owned(),
        Some("team") => format!("team:{}", name()),
        Some("personal") => format!("user:{}", name()),
        Some("runner") => format!("runner:{}", name()),
        Some("run") => format!("run:{}", cell(&asked["service"])),
        _ => cell(&asked["token_type"]),
    }
}
