//! `runmint trust test`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::candidates::Against;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::input::text_of;
use crate::cli::terminal::output::{self, Colour, Format, paint, safe};
use crate::clouds::trust_documents::document::TrustDocument;
use crate::clouds::trust_documents::lint::{Finding, Severity};
use crate::clouds::trust_documents::review::{Also, Review, Reviewed};
use crate::clouds::trust_documents::verdict::{Condition, Holds};

/// Test which runs a trust document accepts or refuses, why, and which other runs it would accept
///
/// Reads an AWS trust policy (or the output of `aws iam get-role`), Azure federated identity credentials, a Google
/// workload identity pool provider (the output of `gcloud … providers describe --format=json`), a Vault role or a
/// Kubernetes authentication configuration, in JSON or YAML, and evaluates it as its relying party does, offline.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint trust test policy.json --org acme --runs last:500
  aws iam get-role --role-name website | runmint trust test - --org acme --runs last:500
  runmint trust test policy.json --org acme --attribute project=website --attribute stack=prod \\
    --attribute operation=update --expect accepted
  runmint trust test policy.json --subject runmint:deploy:org:acme:… --issuer https://id.example.com/oidc

Exit codes: 0 no problem; 1 the document has a problem, accepts none of the runs, or contradicts --expect.")]
pub(in crate::cli) struct Test {
    /// The document; - for standard input
    file: PathBuf,
    #[command(flatten)]
    against: Against,
    /// The expected result for every run
    #[arg(long, value_enum)]
    expect: Option<Expected>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Expected {
    Accepted,
    Refused,
}

impl Test {
    pub(super) async fn execute(self, output: Format) -> Result<(), Failure> {
        let text = text_of(&self.file).map_err(|why| why.because("could not read the document"))?;
        let document = TrustDocument::parse(&text)
            .map_err(|error| Failure::usage(safe(&format!("{}: {error}", self.file.display()))))?;
        let candidates = self.against.candidates(&document.audiences()).await?;
        let mut review = Review::of(&document, &candidates);
        if self.expect == Some(Expected::Refused) {
            review.findings.retain(|finding| finding.code != "accepts_nobody");
        }
        output::print(output, &json!(review), |_| described(&review))?;
        if let Some(wrong) = self.expect.and_then(|expected| surprising(expected, &review)) {
            return Err(Failure::failed(wrong));
        }
        if review.has_problems() { Err(Failure::failed("the document has problems")) } else { Ok(()) }
    }
}

fn surprising(expected: Expected, review: &Review) -> Option<String> {
    let (wanted, word) = match expected {
        Expected::Accepted => (Holds::Yes, "accepted"),
        Expected::Refused => (Holds::No, "refused"),
    };
    let other = review.runs.iter().find(|one| one.verdict.accepts != wanted)?;
    Some(format!("expected to be {word}, but is not: {}", safe(&other.subject)))
}

fn described(review: &Review) -> String {
    let accepted: usize =
        review.runs.iter().filter(|one| one.verdict.accepts == Holds::Yes).map(|one| one.count).sum();
    let all: usize = review.runs.iter().map(|one| one.count).sum();
    let mut text = format!("{}: {accepted} of {all} runs accepted\n", review.kind);
    text.extend(review.runs.iter().map(run_text));
    if !review.also.is_empty() {
        text.push_str("\nAlso accepted, though no such run was tested\n");
        text.extend(review.also.iter().map(also_text));
    }
    if !review.findings.is_empty() {
        text.push('\n');
        text.extend(review.findings.iter().map(finding_text));
    }
    text
}

fn run_text(run: &Reviewed) -> String {
    let mark = match run.verdict.accepts {
        Holds::Yes => paint(Colour::Green, "accepted"),
        Holds::No => paint(Colour::Red, "refused "),
        Holds::Unknown => paint(Colour::Yellow, "depends "),
    };
    let times = if run.count > 1 { format!("  ({} runs)", run.count) } else { String::new() };
    let head = format!("\n{mark}  {}{times}\n", safe(&run.subject));
    if run.verdict.accepts == Holds::Yes {
        return head;
    }
    let part = if run.verdict.part.is_empty() {
        String::new()
    } else {
        format!("  by {}\n", safe(&run.verdict.part))
    };
    let conditions: String = run.verdict.conditions.iter().map(condition_text).collect();
    head + &part + &conditions
}

fn condition_text(condition: &Condition) -> String {
    let Condition { what, expected, found, holds } = condition;
    match holds {
        Holds::Yes => format!("  holds    {}\n", safe(what)),
        Holds::No => format!(
            "  differs  {}\n             expected  {}\n             found     {}\n",
            safe(what),
            safe(expected),
            safe(found)
        ),
        Holds::Unknown => {
            format!("  unknown  {}  {}\n             {}\n", safe(what), safe(expected), safe(found))
        }
    }
}

fn also_text(also: &Also) -> String {
    let perhaps = if also.accepts == Holds::Unknown { "perhaps " } else { "" };
    format!("  {perhaps}{}\n    e.g. {}\n", safe(&also.what), safe(&also.example))
}

fn finding_text(finding: &Finding) -> String {
    let mark = match finding.severity {
        Severity::Problem => paint(Colour::Red, "problem"),
        Severity::Warning => paint(Colour::Yellow, "warning"),
        Severity::Note => "note   ".to_owned(),
    };
    format!("{mark}  {}  {}\n", finding.code, safe(&finding.detail))
}
