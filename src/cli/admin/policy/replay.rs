//! `runmint policy replay`

use std::path::PathBuf;

use clap::Args;

use super::exchanges::asked;
use super::file::policies_of;
use super::saved::{documents, of_issuer};
use crate::api::policies::{self as api, Difference, ReplayPolicies};
use crate::cli::admin::trusted_issuer::chosen::Chosen;
use crate::cli::api::client::Client;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::Format;
use crate::cli::terminal::span::time;
use crate::cli::terminal::table::{cell, table};

/// Decide the last exchanges by a draft and show which would change
#[derive(Args)]
#[command(after_help = "Example:
  runmint policy replay github --org acme --draft draft.json --last 200")]
pub(in crate::cli) struct Replay {
    #[command(flatten)]
    chosen: Chosen,
    /// Policies as `policy set` takes them; - for standard input
    #[arg(long, value_name = "FILE")]
    draft: PathBuf,
    /// The maximum number of exchanges [default: the server's maximum]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    last: Option<u32>,
}

impl Replay {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let draft = policies_of(&self.draft)?;
        let client = Client::from_environment()?;
        let issuer = self.chosen.find(&client).await?.parsed;
        let body = ReplayPolicies { policies: documents(&draft), last: self.last };
        let path = format!("{}/replay", of_issuer(self.chosen.org(), issuer.id));
        client.post(&path, &body).await?.print(output, described)
    }
}

fn described(replayed: &api::Replay) -> String {
    let (count, differences) = (replayed.replayed, &replayed.differences);
    if differences.is_empty() {
        return format!("Of the last {count} exchanges none would change.\n");
    }
    let changes =
        table(&["AT", "BEFORE", "AFTER", "ASKED", "SUBJECT"], differences.iter().map(row).collect());
    format!("{changes}\nOf the last {count} exchanges {} would change.\n", differences.len())
}

fn row(difference: &Difference) -> Vec<String> {
    let Difference { exchange, before, after } = difference;
    let subject = cell(&exchange.claims.get("sub"));
    vec![time(exchange.at), cell(before), cell(after), asked(&exchange.asked), subject]
}
