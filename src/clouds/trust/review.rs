//! A document against runs: who is accepted, who is not and why, and who else would be.

use std::collections::BTreeSet;

use serde::Serialize;

use super::document::TrustDocument;
use super::lint::{Finding, Severity};
use super::probe;
use super::token::TokenClaims;
use super::verdict::{Holds, Verdict};

/// Of so many accepted runs the neighbours are tried.
const MOST_PROBED: usize = 50;

/// A run, recorded or hypothetical.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub name: String,
    pub token: TokenClaims,
}

#[derive(Debug, Serialize)]
pub struct Review {
    pub kind: &'static str,
    pub runs: Vec<Reviewed>,
    pub also: Vec<Also>,
    pub findings: Vec<Finding>,
}

/// All runs with the same subject that fare alike.
#[derive(Debug, Serialize)]
pub struct Reviewed {
    pub run: String,
    /// How many there are of it.
    pub count: usize,
    pub subject: String,
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What else is accepted that nobody has run yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Also {
    pub part: &'static str,
    pub what: String,
    pub accepts: Holds,
    pub example: String,
    #[serde(skip)]
    never_meant: bool,
}

impl Review {
    pub fn of(document: &TrustDocument, candidates: &[Candidate]) -> Self {
        let mut runs: Vec<Reviewed> = Vec::new();
        let mut accepted: Vec<&TokenClaims> = Vec::new();
        for candidate in candidates {
            let verdict = document.evaluate(&candidate.token);
            let subject = candidate.token.subject().unwrap_or_default().to_owned();
            if let Some(same) = runs.iter_mut().find(|one| one.subject == subject && one.verdict == verdict) {
                same.count += 1;
                continue;
            }
            if verdict.accepts != Holds::No && accepted.len() < MOST_PROBED {
                accepted.push(&candidate.token);
            }
            runs.push(Reviewed { run: candidate.name.clone(), count: 1, subject, verdict });
        }
        let also = also_accepted(document, &accepted, candidates);
        let mut findings = document.findings();
        if document.leaves_the_issuer_open() {
            findings.push(Finding::note(
                "issuer_elsewhere",
                "it does not name the issuer: that stands in the configuration that it belongs to, which was not looked at",
            ));
        }
        findings.extend(also.iter().filter(|one| one.never_meant).map(|one| {
            Finding::problem("accepts_strangers", format!("it accepts {}, e.g. `{}`", one.what, one.example))
        }));
        if !candidates.is_empty() && accepted.is_empty() {
            findings.push(Finding::problem("accepts_nobody", "it accepts none of these runs"));
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Self { kind: document.kind(), runs, also, findings }
    }

    pub fn has_problems(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Problem)
    }
}

fn also_accepted(document: &TrustDocument, accepted: &[&TokenClaims], candidates: &[Candidate]) -> Vec<Also> {
    let known: BTreeSet<&str> = candidates.iter().filter_map(|one| one.token.subject()).collect();
    let mut also: Vec<Also> = Vec::new();
    for token in accepted {
        for probe in probe::neighbours(token) {
            let subject = probe.token.subject().unwrap_or_default();
            let was_run = probe.part == "operation" && known.contains(subject);
            let elsewhere = probe.part == "issuer" && document.leaves_the_issuer_open();
            if was_run || elsewhere || also.iter().any(|one| one.what == probe.what) {
                continue;
            }
            let accepts = document.evaluate(&probe.token).accepts;
            if accepts != Holds::No {
                let (part, what, never_meant) =
                    (probe.part, probe.what, probe.never_meant && accepts == Holds::Yes);
                also.push(Also { part, what, accepts, example: subject.to_owned(), never_meant });
            }
        }
    }
    // Who accepts any other stack accepts those with longer names, too.
    let any: Vec<&'static str> =
        also.iter().filter(|one| one.what.starts_with("any other ")).map(|one| one.part).collect();
    also.retain(|one| {
        one.what.starts_with("any other ") || !one.what.starts_with("a ") || !any.contains(&one.part)
    });
    also
}
