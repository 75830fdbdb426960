//! Policies: which tokens of an issuer may become what.
//!
//! The data and its JSON are Pulumi Cloud's (REST API, `AuthPolicyDefinition`), with two members of our own:
//! `syntax` and `run`. A [`Policy`] is only ever one that makes sense by itself; [`saving`] refuses more, and
//! [`evaluation`] decides.

pub mod audience;
mod document;
mod entries;
pub mod evaluation;
pub mod explanation;
pub mod run;
pub mod saving;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::document::{AttributeDocument, PermissionsDocument, PolicyDocument, RunDocument, TokenType};
pub use self::entries::Entries;
use self::run::{RunGrant, RunGrantError};
use super::claim_path::{ClaimPath, ClaimPathError};
use super::pattern::{Pattern, PatternError, Syntax};

/// Policies of one issuer.
pub const MAX_POLICIES: usize = 100;
pub const MAX_RULES: usize = 64;
/// Of a team, a user, a runner or a role.
pub const MAX_NAME_BYTES: usize = 100;
/// All patterns, paths and names of one issuer's policies together. What an exchange costs at most is this
/// times the size of a token.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;

/// One policy. It is about one kind of token, and speaks of a token when all of its rules match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PolicyDocument", into = "PolicyDocument")]
pub struct Policy {
    decision: Decision,
    grant: Grant,
    /// Kept and passed on; what a role means is for others to say, and to refuse where they know none.
    role: Option<String>,
    syntax: Syntax,
    rules: Vec<Rule>,
    written_as: NoPermissions,
}

/// In JSON `"allow"` or `"deny"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    Allow,
    Deny,
}

/// What a token may become, or must not. Names are patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// An access token of the organization. An allowing policy with `admin` grants both, one without it only
    /// a token that is no admin's; a denying one with `admin` denies only admin's, one without it both.
    Organization {
        admin: bool,
    },
    Team(Pattern),
    Personal(Pattern),
    Runner(Pattern),
    /// A run and its ID token, at once.
    Run(RunGrant),
}

/// A claim and what one of its values must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub claim: ClaimPath,
    pub pattern: Pattern,
}

/// How a policy without permissions was written, so that it reads back the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum NoPermissions {
    #[default]
    Absent,
    Null,
    Empty,
}

/// Why this is no policy.
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
    #[error("authorizedPermissions: only `admin` exists, and only for tokenType `organization`, not `{0}`")]
    Permission(String),
    #[error("an allowing policy without rules would let in everybody: say at least what `sub` must be")]
    NoRules,
    #[error("a policy has at most {MAX_RULES} rules, this one has {0}")]
    TooManyRules(usize),
    #[error("claim path `{path}`: {reason}")]
    Path { path: String, reason: ClaimPathError },
    #[error("there are two rules for the claim `{0}`")]
    Twice(String),
    #[error("rule for `{path}`: {reason}")]
    Rule { path: String, reason: PatternError },
    #[error("run: {0}")]
    Run(#[from] RunGrantError),
}

/// Why these are not the policies of an issuer. Counted from 0.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PoliciesError {
    #[error("an issuer has at most {MAX_POLICIES} policies, these are {0}")]
    TooMany(usize),
    #[error(
        "the policies have {0} bytes of names, claim paths and patterns; at most {MAX_TEXT_BYTES} are accepted"
    )]
    TooMuchText(usize),
    #[error("policies[{index}]: {source}")]
    Policy { index: usize, source: PolicyError },
}

impl Policy {
    pub fn decision(&self) -> Decision {
        self.decision
    }

    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// `roleID`.
    pub fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    pub fn syntax(&self) -> Syntax {
        self.syntax
    }

    /// In the order in which they were written. At least one if the policy allows.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule about the claim `name` itself.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.claim.is_claim(name))
    }

    pub fn allows(&self) -> bool {
        self.decision == Decision::Allow
    }

    fn text_bytes(&self) -> usize {
        let rules = self.rules.iter().map(|rule| rule.claim.as_str().len() + rule.pattern.as_str().len());
        rules.sum::<usize>() + self.grant.name().map_or(0, |name| name.as_str().len())
    }
}

impl Grant {
    /// As in `tokenType`.
    pub fn token_type(&self) -> &'static str {
        match self {
            Self::Organization { .. } => "organization",
            Self::Team(_) => "team",
            Self::Personal(_) => "personal",
            Self::Runner(_) => "runner",
            Self::Run(_) => "run",
        }
    }

    /// Which teams, users or runners.
    pub fn name(&self) -> Option<&Pattern> {
        match self {
            Self::Team(name) | Self::Personal(name) | Self::Runner(name) => Some(name),
            Self::Organization { .. } | Self::Run(_) => None,
        }
    }
}

/// Reads the policies of one issuer from their JSON.
pub fn parse_policies(documents: Vec<PolicyDocument>) -> Result<Vec<Policy>, PoliciesError> {
    if documents.len() > MAX_POLICIES {
        return Err(PoliciesError::TooMany(documents.len()));
    }
    let policies = documents
        .into_iter()
        .enumerate()
        .map(|(index, document)| {
            Policy::try_from(document).map_err(|source| PoliciesError::Policy { index, source })
        })
        .collect::<Result<Vec<_>, _>>()?;
    check_bounds(&policies)?;
    Ok(policies)
}

fn check_bounds(policies: &[Policy]) -> Result<(), PoliciesError> {
    if policies.len() > MAX_POLICIES {
        return Err(PoliciesError::TooMany(policies.len()));
    }
    match policies.iter().map(Policy::text_bytes).sum() {
        ..=MAX_TEXT_BYTES => Ok(()),
        bytes => Err(PoliciesError::TooMuchText(bytes)),
    }
}
