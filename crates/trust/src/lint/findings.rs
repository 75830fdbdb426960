//! The findings of [`lint`](super::lint).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::Rule;

/// A risk of a policy, which is counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    pub policy: usize,
    /// The claim path of the rule that it is about; absent if a rule is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    pub severity: Severity,
    pub code: Code,
    pub reason: String,
}

/// In JSON `"refuse"` or `"warn"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policy accepts strangers' tokens.
    Refuse,
    /// The policy accepts more tokens than it seems to, or will later.
    Warn,
}

/// In JSON as `"any-tenant"`. Stable: scripts may depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    AnyTenant,
    WildcardFirst,
    AnyRepositoryPullRequest,
    PullRequest,
    NoSubject,
    MutableName,
    CompatibleDot,
    UnquotedDots,
    AnyName,
    AnyAudience,
    OthersAudience,
}

pub(super) struct Findings<'f> {
    pub(super) policy: usize,
    pub(super) found: &'f mut Vec<Finding>,
}

impl Findings<'_> {
    pub(super) fn refuse(&mut self, rule: Option<&Rule>, code: Code, reason: impl Into<String>) {
        self.add(rule, Severity::Refuse, code, reason.into());
    }

    pub(super) fn warn(&mut self, rule: Option<&Rule>, code: Code, reason: impl Into<String>) {
        self.add(rule, Severity::Warn, code, reason.into());
    }

    fn add(&mut self, rule: Option<&Rule>, severity: Severity, code: Code, reason: String) {
        let rule = rule.map(|rule| rule.claim.as_str().to_owned());
        self.found.push(Finding { policy: self.policy, rule, severity, code, reason });
    }
}
