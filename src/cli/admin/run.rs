//! `runmint run`

mod list;
pub(in crate::cli) mod start;

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::Value;

use crate::cli::api::client::{Client, with_query};
use crate::cli::terminal::arguments::id;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, pretty, safe};
use crate::cli::terminal::span::moment;
use crate::cli::terminal::table::{cell, fields};
use crate::clock::{Clock, SystemClock};

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    Start(start::Start),
    /// Show a run
    #[command(after_help = "Example:  runmint run show d23f0824-128b-4f33-8c5c-7fd0a6a3a450")]
    Show {
        /// The run's id
        id: String,
        /// Show subject and claims as tokens for this audience have them
        #[arg(long)]
        audience: Option<String>,
    },
    List(list::List),
    /// End a run that did its work; it gets no more tokens
    #[command(after_help = "Example:  runmint run finish \"$RUNMINT_RUN_ID\"")]
    Finish {
        /// The run's id
        id: String,
    },
    /// End a run that was stopped; it gets no more tokens
    #[command(after_help = "Example:  runmint run cancel d23f0824-128b-4f33-8c5c-7fd0a6a3a450")]
    Cancel {
        /// The run's id
        id: String,
    },
    Preview(start::Preview),
}

impl Command {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        match self {
            Self::Start(start) => start.execute(output).await,
            Self::Show { id, audience } => show(&id, audience.as_deref(), output).await,
            Self::List(list) => list.execute(output).await,
            Self::Finish { id } => end(&id, "finish", output).await,
            Self::Cancel { id } => end(&id, "cancel", output).await,
            Self::Preview(preview) => preview.execute(output).await,
        }
    }
}

async fn show(id_text: &str, audience: Option<&str>, output: Format) -> Result<(), Failure> {
    let id = id(id_text)?;
    let asked: Vec<_> = audience.map(|audience| ("audience", audience)).into_iter().collect();
    let run = Client::from_environment()?.get(&with_query(&format!("/api/runs/{id}"), &asked)).await?;
    output::print(output, &run, |run| describe(run, SystemClock.now()))
}

async fn end(id_text: &str, how: &str, output: Format) -> Result<(), Failure> {
    let id = id(id_text)?;
    let run = Client::from_environment()?.post(&format!("/api/runs/{id}/{how}"), None).await?;
    output::print(output, &run, |run| {
        let state = safe(&cell(&run["state"]));
        format!("Run {id} is {state}: it gets no more tokens. Those it has work until they expire.\n")
    })
}

fn describe(run: &Value, now: Timestamp) -> String {
    let audiences = match run["audiences"].as_array() {
        Some(audiences) => audiences.iter().map(cell).collect::<Vec<_>>().join(", "),
        None => "any".to_owned(),
    };
    let subject = if run["refused"].is_null() { &run["subject"] } else { &run["refused"] };
    let facts = fields(&[
        ("id", cell(&run["id"])),
        ("organization", cell(&run["organization"])),
        ("service", cell(&run["service"])),
        ("state", cell(&run["state"])),
        ("created", moment(&run["created_at"], now, "-")),
        ("expires", moment(&run["expires_at"], now, "-")),
        ("ended", moment(&run["ended_at"], now, "not yet")),
        ("audiences", audiences),
        ("subject", cell(subject)),
    ]);
    let (attributes, claims) = (pretty(&run["attributes"]), pretty(&run["claims"]));
    let clouds = match run["cloud"].as_object() {
        Some(clouds) if !clouds.is_empty() => format!("\ncloud\n{}\n", pretty(&run["cloud"])),
        _ => String::new(),
    };
    format!("{facts}\nattributes\n{attributes}\n\nclaims\n{claims}\n{clouds}")
}
