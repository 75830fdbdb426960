//! `runmint policy exchanges`

use clap::Args;

use super::saved::of_issuer;
use crate::api::OrNewer;
use crate::api::policies::{self as api, Exchange, RecordedExchange};
use crate::cli::admin::trusted_issuer::chosen::Chosen;
use crate::cli::api::client::Client;
use crate::cli::api::pages::List;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::Format;
use crate::cli::terminal::span::time;
use crate::cli::terminal::table::{cell, table};
use crate::trust::policy::evaluation::Asked;

/// List the last exchanges of an issuer's tokens and their decisions
///
/// Tokens are never stored; --output json shows the claims of each.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint policy exchanges github --org acme
  runmint policy exchanges github --org acme --output json | jq '.exchanges[0].claims' > claims.json")]
pub(in crate::cli) struct Exchanges {
    #[command(flatten)]
    chosen: Chosen,
    /// The maximum number of exchanges
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=3_000))]
    limit: u32,
}

impl Exchanges {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let client = Client::from_environment()?;
        let issuer = self.chosen.find(&client).await?.parsed;
        let path = format!("{}/exchanges", of_issuer(self.chosen.org(), issuer.id));
        let list = List { path: &path, filters: &[] };
        let found = list.fetch::<api::Exchanges>(&client, Some(self.limit as usize)).await?;
        found.print(output, |found| {
            if found.exchanges.is_empty() {
                return "No exchanges.\n".to_owned();
            }
            let row = |one: &RecordedExchange| row(&one.exchange);
            table(&["AT", "OUTCOME", "ASKED", "CALLER", "SUBJECT"], found.exchanges.iter().map(row).collect())
        })
    }
}

fn row(exchange: &Exchange) -> Vec<String> {
    vec![
        time(exchange.at),
        cell(&exchange.outcome),
        asked(&exchange.asked),
        exchange.caller.clone(),
        cell(&exchange.claims.get("sub")),
    ]
}

/// What was asked for, as `policy test --as` takes it.
pub(super) fn asked(asked: &OrNewer<Asked>) -> String {
    match asked {
        OrNewer::Known(Asked::Organization { admin: true }) => "admin".to_owned(),
        OrNewer::Known(Asked::Organization { admin: false }) => "organization".to_owned(),
        OrNewer::Known(Asked::Team { name }) => format!("team:{name}"),
        OrNewer::Known(Asked::Personal { name }) => format!("user:{name}"),
        OrNewer::Known(Asked::Runner { name }) => format!("runner:{name}"),
        OrNewer::Known(Asked::Run(run)) => format!("run:{}", run.service),
        OrNewer::Newer(asked) => asked.to_string(),
    }
}
