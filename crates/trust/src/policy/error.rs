//! Why policies are refused when they are read.

use thiserror::Error;

use super::limits::{MAX_NAME_BYTES, MAX_POLICIES, MAX_RULES, MAX_TEXT_BYTES};
use super::run::RunGrantError;
use crate::claim_path::ClaimPathError;
use crate::pattern::PatternError;

/// Why a document is not a policy.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PolicyError {
    #[error("`{member}` is missing: tokenType `{token_type}` needs it")]
    Missing { token_type: &'static str, member: &'static str },
    #[error("`{member}` does not belong to tokenType `{token_type}`")]
    Foreign { token_type: &'static str, member: &'static str },
    #[error("`{0}` is empty")]
    Empty(&'static str),
    #[error("`{member}` has {bytes} bytes; at most {MAX_NAME_BYTES} are accepted")]
    TooLong { member: &'static str, bytes: usize },
    #[error("`{member}`: {reason}")]
    Name { member: &'static str, reason: PatternError },
    #[error(
        "authorizedPermissions: the only permission is `admin`, and only for tokenType `organization`; found `{0}`"
    )]
    Permission(String),
    #[error(
        "an allowing policy without rules would accept every token of the issuer: add at least a rule for `sub`"
    )]
    NoRules,
    #[error("a policy may have at most {MAX_RULES} rules; this one has {0}")]
    TooManyRules(usize),
    #[error("claim path `{path}`: {reason}")]
    Path { path: String, reason: ClaimPathError },
    #[error("two rules are for the claim `{0}`")]
    Twice(String),
    #[error("rule for `{path}`: {reason}")]
    Rule { path: String, reason: PatternError },
    #[error("run: {0}")]
    Run(#[from] RunGrantError),
}

/// Why documents are not the policies of one issuer. Indexes count from 0.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PoliciesError {
    #[error("an issuer may have at most {MAX_POLICIES} policies; found {0}")]
    TooMany(usize),
    #[error(
        "the policies have {0} bytes of names, claim paths and patterns; at most {MAX_TEXT_BYTES} are accepted"
    )]
    TooMuchText(usize),
    #[error("policies[{index}]: {source}")]
    Policy { index: usize, source: PolicyError },
}
