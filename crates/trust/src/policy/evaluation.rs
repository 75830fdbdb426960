//! Decides what a verified token may become.
//!
//! A policy applies only to requests for its own kind of token, and its own team, user, runner or service
//! (Pulumi Cloud, "OIDC issuers", "Authorization policies"). Deny beats allow in any order; a request that no policy
//! matches is refused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::audience::SpeakingPolicies;
use super::decision::Decision;
use super::definition::{Grant, Policy, Rule};
use super::explanation::{PolicyExplanation, RuleExplanation};
use super::run::{RunMismatch, RunRequest};
use crate::pattern::Pattern;

/// The kind of token that the caller asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "token_type", rename_all = "lowercase")]
pub enum Asked {
    Organization { admin: bool },
    Team { name: String },
    Personal { name: String },
    Runner { name: String },
    Run(RunRequest),
}

/// The decision. Policies are counted from 0, as saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Verdict {
    /// By the first allowing policy that matches.
    Allowed {
        policy: usize,
    },
    /// By the first denying policy that matches.
    DeniedByPolicy {
        policy: usize,
    },
    NoMatch,
}

/// A verdict with its reasons. It shows the policies, so it must not reach the caller of an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evaluation {
    pub decision: Verdict,
    /// One for each policy that speaks to the token, in their order.
    pub explanation: Vec<PolicyExplanation>,
}

/// Why a policy does not apply to a request.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Inapplicable {
    #[error("it is for tokens of type `{policy}`; the request is for `{asked}`")]
    TokenType { policy: &'static str, asked: &'static str },
    #[error("it is for `{policy}`; the request is for `{asked}`")]
    Name { policy: String, asked: String },
    #[error("the request is for an admin token, and it does not grant `admin`")]
    NoAdmin,
    #[error("it denies admin tokens only, and the request is for another")]
    AdminOnly,
    #[error(transparent)]
    Run(#[from] RunMismatch),
}

impl SpeakingPolicies<'_> {
    /// Decides, with the reasons.
    pub fn evaluate(&self, asked: &Asked) -> Evaluation {
        let explanation: Vec<_> =
            self.iter().map(|(index, policy)| explain(index, policy, self.claims(), asked)).collect();
        let matching = explanation.iter().filter(|policy| policy.matches);
        Evaluation { decision: verdict(matching.map(|policy| (policy.policy, policy.decision))), explanation }
    }

    /// Decides as [`SpeakingPolicies::evaluate`] does, without the reasons.
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
    /// Whether the policy applies to a request; its rules are matched separately. A run's attributes come from
    /// `claims`: a policy that lacks one of them does not grant the run.
    ///
    /// Fails with the reason for which it does not apply.
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
            // A denial does not depend on the attributes of the run.
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
    /// Whether one value of the claim matches. A missing claim has no values.
    pub fn matches(&self, claims: &Map<String, Value>) -> bool {
        self.claim.values(claims).iter().any(|value| self.pattern.matches(value))
    }
}

impl Asked {
    /// The value of `token_type`.
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
