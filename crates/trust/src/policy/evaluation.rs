//! What policies say about a verified token and what was asked for it.
//!
//! A policy speaks only of requests for its own kind of token, and its own team, user, runner or service
//! (Pulumi Cloud, "OIDC issuers", "Authorization policies"). Deny beats allow in any order; when nothing
//! matches, the answer is no.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::audience::SpeakingPolicies;
use super::explanation::{PolicyExplanation, RuleExplanation};
use super::run::{RunMismatch, RunRequest};
use super::{Decision, Grant, Policy, Rule};
use crate::pattern::Pattern;

/// What the caller wants the token to become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "token_type", rename_all = "lowercase")]
pub enum Asked {
    Organization { admin: bool },
    Team { name: String },
    Personal { name: String },
    Runner { name: String },
    Run(RunRequest),
}

/// What the policies say. Policies are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Verdict {
    /// By the first of the allowing policies that match.
    Allowed {
        policy: usize,
    },
    /// By the first of the denying policies that match.
    DeniedByPolicy {
        policy: usize,
    },
    NoMatch,
}

/// A verdict and how it came about. Not for the caller of an exchange: it shows the policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evaluation {
    pub decision: Verdict,
    /// One for each policy that speaks to the token, in their order.
    pub explanation: Vec<PolicyExplanation>,
}

/// Why a policy does not speak of what was asked.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Inapplicable {
    #[error("it is for tokens of type `{policy}`, asked was `{asked}`")]
    TokenType { policy: &'static str, asked: &'static str },
    #[error("it is for `{policy}`, asked was `{asked}`")]
    Name { policy: String, asked: String },
    #[error("asked was an admin's token, and it does not grant `admin`")]
    NoAdmin,
    #[error("it denies an admin's token only, and asked was another")]
    AdminOnly,
    #[error(transparent)]
    Run(#[from] RunMismatch),
}

impl SpeakingPolicies<'_> {
    /// Decides, and tells why.
    pub fn evaluate(&self, asked: &Asked) -> Evaluation {
        let explanation: Vec<_> =
            self.iter().map(|(index, policy)| explain(index, policy, self.claims(), asked)).collect();
        let matching = explanation.iter().filter(|policy| policy.matches);
        Evaluation { decision: verdict(matching.map(|policy| (policy.policy, policy.decision))), explanation }
    }

    /// Decides as [`SpeakingPolicies::evaluate`] does, without telling why.
    pub fn decide(&self, asked: &Asked) -> Verdict {
        let claims = self.claims();
        let matching = self.iter().filter(|(_, policy)| {
            policy.applies_to(asked, claims).is_ok() && policy.rules().iter().all(|rule| rule.matches(claims))
        });
        verdict(matching.map(|(index, policy)| (index, policy.decision())))
    }
}

fn verdict(matching: impl Iterator<Item = (usize, Decision)>) -> Verdict {
    let mut verdict = Verdict::NoMatch;
    for (policy, decision) in matching {
        match decision {
            Decision::Deny => return Verdict::DeniedByPolicy { policy },
            Decision::Allow if verdict == Verdict::NoMatch => verdict = Verdict::Allowed { policy },
            Decision::Allow => {}
        }
    }
    verdict
}

fn explain(index: usize, policy: &Policy, claims: &Map<String, Value>, asked: &Asked) -> PolicyExplanation {
    let applies = policy.applies_to(asked, claims);
    let rules: Vec<_> = policy.rules().iter().map(|rule| RuleExplanation::new(rule, claims)).collect();
    PolicyExplanation {
        policy: index,
        decision: policy.decision(),
        matches: applies.is_ok() && rules.iter().all(|rule| rule.matched),
        why_not_applicable: applies.err().map(|why| why.to_string()),
        rules,
    }
}

impl Policy {
    /// Whether the policy speaks of what was asked; its rules are another matter. `claims` are those that a
    /// run's attributes come from: a policy that cannot name the run does not grant it.
    pub fn applies_to(&self, asked: &Asked, claims: &Map<String, Value>) -> Result<(), Inapplicable> {
        match (self.grant(), asked) {
            (Grant::Organization { admin }, Asked::Organization { admin: asked }) => {
                match (self.decision(), *admin, *asked) {
                    (Decision::Allow, false, true) => Err(Inapplicable::NoAdmin),
                    (Decision::Deny, true, false) => Err(Inapplicable::AdminOnly),
                    _ => Ok(()),
                }
            }
            (Grant::Team(pattern), Asked::Team { name })
            | (Grant::Personal(pattern), Asked::Personal { name })
            | (Grant::Runner(pattern), Asked::Runner { name }) => named(pattern, name),
            // A denial does not depend on what the run would have looked like.
            (Grant::Run(run), Asked::Run(asked)) if self.decision() == Decision::Deny => {
                Ok(run.check_service(asked)?)
            }
            (Grant::Run(run), Asked::Run(asked)) => Ok(run.attributes_of(asked, claims).map(|_| ())?),
            (grant, asked) => {
                Err(Inapplicable::TokenType { policy: grant.token_type(), asked: asked.token_type() })
            }
        }
    }
}

fn named(pattern: &Pattern, name: &str) -> Result<(), Inapplicable> {
    if pattern.matches(name) {
        return Ok(());
    }
    Err(Inapplicable::Name { policy: pattern.as_str().to_owned(), asked: name.to_owned() })
}

impl Rule {
    /// Whether some value of the claim matches. A claim that is not there has none.
    pub fn matches(&self, claims: &Map<String, Value>) -> bool {
        self.claim.values(claims).iter().any(|value| self.pattern.matches(value))
    }
}

impl Asked {
    pub fn token_type(&self) -> &'static str {
        match self {
            Self::Organization { .. } => "organization",
            Self::Team { .. } => "team",
            Self::Personal { .. } => "personal",
            Self::Runner { .. } => "runner",
            Self::Run(_) => "run",
        }
    }
}
