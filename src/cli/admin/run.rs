//! `runmint run`

mod list;
pub(in crate::cli) mod start;

use clap::Subcommand;
use jiff::Timestamp;

use crate::api::runs::Run;
use crate::cli::api::client::{Client, with_query};
use crate::cli::terminal::arguments::id;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{Format, pretty};
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
        /// Show subject and claims of tokens for this audience
        #[arg(long)]
        audience: Option<String>,
    },
    List(list::List),
    /// End a run that completed its work; it gets no more tokens
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
    run.print(output, |run| describe(run, SystemClock.now()))
}

async fn end(id_text: &str, how: &str, output: Format) -> Result<(), Failure> {
    let id = id(id_text)?;
    let run = Client::from_environment()?.post_empty(&format!("/api/runs/{id}/{how}")).await?;
    run.print(output, |run: &Run| {
        let state = cell(&run.state);
        format!("Run {id} is {state}: it gets no more tokens. Tokens that it has work until they expire.\n")
    })
}

fn describe(run: &Run, now: Timestamp) -> String {
    let audiences = run.audiences.as_ref().map_or_else(|| "any".to_owned(), |list| list.join(", "));
    let subject = run.content.refused.as_ref().or(run.content.subject.as_ref());
    let facts = fields(&[
        ("id", run.id.to_string()),
        ("organization", run.organization.clone()),
        ("service", run.service.clone()),
        ("state", cell(&run.state)),
        ("created", moment(run.created_at, now, "-")),
        ("expires", moment(run.expires_at, now, "-")),
        ("ended", moment(run.ended_at, now, "not yet")),
        ("audiences", audiences),
        ("subject", cell(&subject)),
    ]);
    let (attributes, claims) = (pretty(&run.attributes), pretty(&run.content.claims));
    let clouds =
        if run.cloud.is_empty() { String::new() } else { format!("\ncloud\n{}\n", pretty(&run.cloud)) };
    format!("{facts}\nattributes\n{attributes}\n\nclaims\n{claims}\n{clouds}")
}
