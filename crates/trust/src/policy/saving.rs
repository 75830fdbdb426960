//! What is refused when policies are saved, beyond what no policy may be.
//!
//! Apart from [`Policy`] itself, so that policies which were saved before a rule was added here stay readable.

use std::collections::BTreeSet;

use thiserror::Error;

use super::definition::{Grant, Policy};
use super::run::RunGrant;

/// Why these policies are not saved. Counted from 0.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("policies[{index}]: {fault}")]
pub struct SavingError {
    pub index: usize,
    pub fault: SavingFault,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum SavingFault {
    #[error("`sub` is empty, which no token's is: say what the subject must be")]
    EmptySubject,
    #[error("`sub` is `{0}`, which is every subject: part of it must be literal text")]
    AnySubject(String),
    #[error("run: there is no service `{0}`")]
    UnknownService(String),
    #[error(
        "run: attribute `{0}` reaches the subject, so that the caller must not choose it: take it from a `claim`, or give its `value`"
    )]
    ChosenSubject(String),
    #[error(
        "run: `{0}` says who is behind a run, which is not the caller's to choose: take it from a `claim`"
    )]
    ChosenActor(String),
}

/// Attributes that say on whose behalf a run acts.
pub const ACTOR: [&str; 2] = ["actor", "actor_id"];

/// Refuses policies that let in anybody, or that let a caller choose a run's subject.
///
/// `subject_attributes` says which attributes of a service its subject depends on, directly, through a
/// derived value or through a default; `None` for a service that does not exist.
pub fn check_for_saving(
    policies: &[Policy],
    subject_attributes: impl Fn(&str) -> Option<BTreeSet<String>>,
) -> Result<(), SavingError> {
    for (index, policy) in policies.iter().enumerate() {
        check_policy(policy, &subject_attributes).map_err(|fault| SavingError { index, fault })?;
    }
    Ok(())
}

fn check_policy(
    policy: &Policy,
    subject_attributes: impl Fn(&str) -> Option<BTreeSet<String>>,
) -> Result<(), SavingFault> {
    if let Some(rule) = policy.rule("sub") {
        // Pulumi Cloud makes a denying policy with an empty `sub` for each new issuer, and refuses it too
        // when it is sent back. A denying policy for every subject is as good as its author says it is.
        if rule.pattern.as_str().is_empty() {
            return Err(SavingFault::EmptySubject);
        }
        if policy.allows() && rule.pattern.is_all_wildcards() {
            return Err(SavingFault::AnySubject(rule.pattern.as_str().to_owned()));
        }
    }
    match policy.grant() {
        Grant::Run(run) => check_run(run, subject_attributes),
        _ => Ok(()),
    }
}

fn check_run(
    run: &RunGrant,
    subject_attributes: impl Fn(&str) -> Option<BTreeSet<String>>,
) -> Result<(), SavingFault> {
    let reaching = subject_attributes(run.service())
        .ok_or_else(|| SavingFault::UnknownService(run.service().to_owned()))?;
    if let Some(name) = run.chosen().find(|name| reaching.contains(*name)) {
        return Err(SavingFault::ChosenSubject(name.to_owned()));
    }
    match run.chosen().find(|name| ACTOR.contains(name)) {
        Some(name) => Err(SavingFault::ChosenActor(name.to_owned())),
        None => Ok(()),
    }
}
