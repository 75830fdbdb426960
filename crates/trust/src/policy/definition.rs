//! One policy, which makes sense by itself.

use serde::{Deserialize, Serialize};

use super::decision::Decision;
use super::document::PolicyDocument;
use super::run::RunGrant;
use crate::claim_path::ClaimPath;
use crate::pattern::{Pattern, Syntax};

/// One policy. It is about one kind of token, and speaks of a token when all of its rules match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PolicyDocument", into = "PolicyDocument")]
pub struct Policy {
    pub(super) decision: Decision,
    pub(super) grant: Grant,
    /// Kept and passed on; what a role means is for others to say, and to refuse where they know none.
    pub(super) role: Option<String>,
    pub(super) syntax: Syntax,
    pub(super) rules: Vec<Rule>,
    pub(super) written_as: NoPermissions,
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
pub(super) enum NoPermissions {
    #[default]
    Absent,
    Null,
    Empty,
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

    pub(super) fn text_bytes(&self) -> usize {
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
