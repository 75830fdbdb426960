//! One policy, which makes sense by itself.

use serde::{Deserialize, Serialize};

use super::decision::Decision;
use super::document::PolicyDocument;
use super::run::RunGrant;
use crate::claim_path::ClaimPath;
use crate::pattern::{Pattern, Syntax};

/// One policy. It decides about one kind of token, and matches a token when all of its rules do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PolicyDocument", into = "PolicyDocument")]
pub struct Policy {
    pub(super) decision: Decision,
    pub(super) grant: Grant,
    /// Kept as written. The caller of this crate gives roles their meaning and refuses unknown ones.
    pub(super) role: Option<String>,
    pub(super) syntax: Syntax,
    pub(super) rules: Vec<Rule>,
    pub(super) written_as: NoPermissions,
}

/// What a token may, or must not, become. Names are patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// An access token of the organization. An allowing policy with `admin` grants admin and other tokens, and one
    /// without it grants only others; a denying policy with `admin` denies only admin tokens, and one without it
    /// denies both.
    Organization { admin: bool },
    /// An access token of the teams whose names match.
    Team(Pattern),
    /// An access token of the users whose names match.
    Personal(Pattern),
    /// An access token of the runners whose names match.
    Runner(Pattern),
    /// A run and its ID token, at once.
    Run(RunGrant),
}

/// A claim, and the pattern that one of its values must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub claim: ClaimPath,
    pub pattern: Pattern,
}

/// How a policy without permissions was written, so that it is written back unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum NoPermissions {
    #[default]
    Absent,
    Null,
    Empty,
}

impl Policy {
    /// Whether the policy allows or denies.
    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// What it allows or denies.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// `roleID`, of a token that the policy allows.
    pub fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    /// The syntax of all its patterns.
    pub fn syntax(&self) -> Syntax {
        self.syntax
    }

    /// In the order of the document. An allowing policy has at least one.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule about the claim `name` itself.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.claim.is_claim(name))
    }

    /// Whether its decision is [`Decision::Allow`].
    pub fn allows(&self) -> bool {
        self.decision == Decision::Allow
    }

    pub(super) fn text_bytes(&self) -> usize {
        let rules = self.rules.iter().map(|rule| rule.claim.as_str().len() + rule.pattern.as_str().len());
        rules.sum::<usize>() + self.grant.name().map_or(0, |name| name.as_str().len())
    }
}

impl Grant {
    /// The value of `tokenType`.
    pub fn token_type(&self) -> &'static str {
        match self {
            Self::Organization { .. } => "organization",
            Self::Team(_) => "team",
            Self::Personal(_) => "personal",
            Self::Runner(_) => "runner",
            Self::Run(_) => "run",
        }
    }

    /// The pattern for teams, users or runners.
    pub fn name(&self) -> Option<&Pattern> {
        match self {
            Self::Team(name) | Self::Personal(name) | Self::Runner(name) => Some(name),
            Self::Organization { .. } | Self::Run(_) => None,
        }
    }
}
