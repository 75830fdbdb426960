//! Checks when policies are saved, beyond those of every policy.
//!
//! They are apart from [`Policy`], so that policies saved before a check was added stay readable.

use std::collections::BTreeSet;

use thiserror::Error;

use super::definition::{Grant, Policy};
use super::run::RunGrant;

/// The policy that must not be saved, counted from 0, and its fault.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("policies[{index}]: {fault}")]
pub struct SavingError {
    pub index: usize,
    pub fault: SavingFault,
}

/// Why a policy must not be saved.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SavingFault {
    #[error("the rule for `sub` is empty and matches no token: give the subject")]
    EmptySubject,
    #[error("the rule for `sub` is `{0}` and matches every subject: part of it must be literal text")]
    AnySubject(String),
    #[error("run: service `{0}` does not exist")]
    UnknownService(String),
    #[error(
        "run: attribute `{0}` is part of the subject, which the caller must not choose: take it from a `claim`, or give its `value`"
    )]
    ChosenSubject(String),
    #[error(
        "run: attribute `{0}` names the actor behind a run, which the caller must not choose: take it from a `claim`"
    )]
    ChosenActor(String),
}

/// Attributes that name the actor on whose behalf a run acts.
pub const ACTOR: [&str; 2] = ["actor", "actor_id"];

/// Refuses policies that accept every subject, or that let a caller choose a run's subject.
///
/// `subject_attributes` returns the attributes of a service that its subject depends on, directly, through a derived
/// value or through a default; `None` for a service that does not exist.
///
/// Fails with the first fault.
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
        // Pulumi Cloud creates a denying policy with an empty `sub` for each new issuer, and refuses it when it is
        // sent back. A denying policy for every subject is its author's choice.
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
