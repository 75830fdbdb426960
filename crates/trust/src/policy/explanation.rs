//! Why a verdict came about, for those who write policies.

use serde::Serialize;
use serde_json::{Map, Value};

use super::decision::Decision;
use super::definition::Rule;

/// Of one claim's values, this many are shown.
const MAX_SHOWN: usize = 8;
const MAX_SHOWN_BYTES: usize = 256;

/// What one policy said. The policy is counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyExplanation {
    pub policy: usize,
    pub decision: Decision,
    /// Whether it took part in the verdict: it speaks of what was asked, and all of its rules matched.
    pub matches: bool,
    /// Why it does not speak of what was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not_applicable: Option<String>,
    /// Every rule, also of a policy that does not apply: that one may be the one that was meant.
    pub rules: Vec<RuleExplanation>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleExplanation {
    pub claim: String,
    pub pattern: String,
    /// What the token has there, as far as it is short: at most 8 values of at most 256 bytes, and `…` where
    /// one was longer.
    pub found: Vec<String>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub not_shown: usize,
    pub matched: bool,
}

impl RuleExplanation {
    pub(super) fn new(rule: &Rule, claims: &Map<String, Value>) -> Self {
        let values = rule.claim.values(claims);
        Self {
            claim: rule.claim.as_str().to_owned(),
            pattern: rule.pattern.as_str().to_owned(),
            matched: values.iter().any(|value| rule.pattern.matches(value)),
            not_shown: values.len().saturating_sub(MAX_SHOWN),
            found: values.iter().take(MAX_SHOWN).map(|value| shown(value)).collect(),
        }
    }
}

fn shown(value: &str) -> String {
    if value.len() <= MAX_SHOWN_BYTES {
        return value.to_owned();
    }
    format!("{}…", &value[..value.floor_char_boundary(MAX_SHOWN_BYTES)])
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}
