//! Tests a document against runs: which it accepts, which it refuses and why, and what else it would accept.

use std::collections::BTreeSet;

use serde::Serialize;

use super::document::TrustDocument;
use super::lint::{Finding, Severity};
use super::probe::{self, Probe};
use super::token::TokenClaims;
use super::verdict::{Holds, Verdict};

/// The most accepted runs whose neighbours are tried.
const MOST_PROBED: usize = 50;
/// The most runs, and the most stacks, for changing several parts at once.
const MOST_COMBINED: usize = 3;
const MOST_STACKS: usize = 20;

/// A run, recorded or hypothetical.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The run's id, or the flag that it comes from.
    pub name: String,
    /// The claims of its tokens.
    pub token: TokenClaims,
}

/// The result, as `runmint trust test --output json` prints it.
#[derive(Debug, Serialize)]
pub struct Review {
    /// The kind of document, e.g. `aws`.
    pub kind: &'static str,
    /// The candidates, grouped.
    pub runs: Vec<Reviewed>,
    /// Hypothetical runs that are accepted.
    pub also: Vec<Also>,
    /// The worst first.
    pub findings: Vec<Finding>,
}

/// Runs with the same subject and the same verdict.
/// The result, as `runmint trust test --output json` prints it.
#[derive(Debug, Serialize)]
pub struct Reviewed {
    /// The name of the first of them.
    pub run: String,
    /// The number of runs.
    pub count: usize,
    pub subject: String,
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Hypothetical runs that are also accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Also {
    /// The part that differs from the real run, e.g. `stack`.
    pub part: &'static str,
    /// The runs in words.
    pub what: String,
    /// `Yes` or `Unknown`.
    pub accepts: Holds,
    /// The subject of one such run.
    pub example: String,
    #[serde(skip)]
    never_meant: bool,
    #[serde(skip)]
    covered_by: &'static [&'static str],
}

impl Review {
    /// Evaluates the document for every candidate and for the hypothetical runs made from them.
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
                "the document does not name the issuer: the configuration that it belongs to does, and was not tested",
            ));
        }
        findings.extend(also.iter().filter(|one| one.never_meant).map(|one| {
            Finding::problem(
                "accepts_strangers",
                format!("the document accepts {}, e.g. `{}`", one.what, one.example),
            )
        }));
        if !candidates.is_empty() && accepted.is_empty() {
            findings.push(Finding::problem("accepts_nobody", "the document accepts none of these runs"));
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Self { kind: document.kind(), runs, also, findings }
    }

    /// Whether a finding is a problem.
    pub fn has_problems(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Problem)
    }
}

fn also_accepted(document: &TrustDocument, accepted: &[&TokenClaims], candidates: &[Candidate]) -> Vec<Also> {
    let known: BTreeSet<&str> = candidates.iter().filter_map(|one| one.token.subject()).collect();
    let mut also: Vec<Also> = Vec::new();
    for probe in probes(document, accepted, candidates) {
        let subject = probe.token.subject().unwrap_or_default();
        let was_run = matches!(probe.part, "operation" | "several") && known.contains(subject);
        let elsewhere = probe.part == "issuer" && document.leaves_the_issuer_open();
        if was_run || elsewhere || also.iter().any(|one| one.what == probe.what) {
            continue;
        }
        let accepts = document.evaluate(&probe.token).accepts;
        if accepts != Holds::No {
            let Probe { part, what, never_meant, covered_by, .. } = probe;
            let (example, never_meant) = (subject.to_owned(), never_meant && accepts == Holds::Yes);
            also.push(Also { part, what, accepts, example, never_meant, covered_by });
        }
    }
    let all: Vec<String> = also.iter().map(|one| one.what.clone()).collect();
    also.retain(|one| !one.covered_by.iter().any(|by| all.iter().any(|what| what == by)));
    // Accepting any other stack includes stacks with longer names.
    let any: Vec<&'static str> =
        also.iter().filter(|one| one.what.starts_with("any other ")).map(|one| one.part).collect();
    also.retain(|one| {
        one.what.starts_with("any other ") || !one.what.starts_with("a ") || !any.contains(&one.part)
    });
    also
}

fn probes(document: &TrustDocument, accepted: &[&TokenClaims], candidates: &[Candidate]) -> Vec<Probe> {
    let mut probes: Vec<Probe> = accepted.iter().flat_map(|token| probe::neighbours(token)).collect();
    // Also if no run is accepted: the document may be meant for others.
    let mut several = accepted.to_vec();
    several.extend(candidates.iter().map(|one| &one.token).take(MOST_COMBINED));
    several.truncate(MOST_COMBINED);
    let stacks = candidates.iter().filter_map(|one| one.token.text("stack")).map(str::to_owned);
    let mut stacks: BTreeSet<String> = stacks.collect();
    while stacks.len() > MOST_STACKS {
        stacks.pop_last();
    }
    let patterns = document.subject_patterns();
    for token in several {
        probes.extend(probe::combinations(token, &stacks));
        let fitting = |(written, pattern): &(String, _)| probe::fitting(token, written, pattern);
        probes.extend(patterns.iter().filter_map(fitting));
    }
    probes
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const OPEN: [&str; 2] = [
        "runmint:deploy:org:acme:project:website:stack:staging:operation:*:scope:*",
        "runmint:deploy:org:*:project:*:stack:prod:operation:*:scope:*",
    ];

    fn run(stack: &str) -> Candidate {
        let claims = json!({
            "iss": "https://i", "aud": "a", "org": "acme", "org_id": "1", "project": "website", "stack": stack,
            "operation": "update", "scope": "write",
            "sub": format!("runmint:deploy:org:acme:project:website:stack:{stack}:operation:update:scope:write"),
        });
        Candidate { name: "run".to_owned(), token: TokenClaims::new(claims.as_object().unwrap().clone()) }
    }

    fn review(document: &Value, candidates: &[Candidate]) -> Review {
        Review::of(&TrustDocument::recognise(document).unwrap(), candidates)
    }

    fn strangers(review: &Review) -> bool {
        review.findings.iter().any(|one| one.code == "accepts_strangers")
    }

    #[test]
    fn an_unused_pattern_is_tried_with_other_organizations() {
        let aws = |subjects: &[&str]| {
            json!({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
                "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/i"},
                "Condition": {"StringEquals": {"i:aud": "a"}, "StringLike": {"i:sub": subjects}}}]})
        };
        let vault = |subjects: &[&str]| {
            json!({"user_claim": "sub", "bound_audiences": ["a"], "bound_issuer": "https://i",
                "bound_claims_type": "glob", "bound_claims": {"sub": subjects}})
        };
        for of in [&aws as &dyn Fn(&[&str]) -> Value, &vault] {
            for candidates in [vec![run("staging")], vec![run("other")]] {
                let open = review(&of(&OPEN), &candidates);
                assert!(strangers(&open), "{:?}", open.findings);
                assert!(open.findings.iter().any(|one| one.code == "any_organization"));
            }
            let closed = review(&of(&OPEN[..1]), &[run("staging")]);
            assert!(!closed.has_problems(), "{:?}", closed.findings);
        }
    }

    #[test]
    fn an_expression_is_tried_with_other_organizations_and_every_known_stack() {
        let condition = "assertion.sub.startsWith('runmint:deploy:org:acme:project:website:stack:staging:') \
            || (assertion.stack == 'prod' && assertion.operation == 'destroy')";
        let google = json!({
            "attributeMapping": {"google.subject": "assertion.run_id"}, "attributeCondition": condition,
        });
        let google = |candidates: &[Candidate]| {
            let with_id = |one: &Candidate| Candidate { token: one.token.with("run_id", "r"), ..one.clone() };
            review(&google, &candidates.iter().map(with_id).collect::<Vec<_>>())
        };
        assert!(strangers(&google(&[run("staging"), run("prod")])));
        assert!(!strangers(&google(&[run("staging")])), "that stack is unknown");
    }
}
