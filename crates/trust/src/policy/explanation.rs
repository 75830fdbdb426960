//! The reasons of a verdict, for the owners who write policies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::decision::Decision;
use super::definition::Rule;

/// Values of one claim that are shown.
const MAX_SHOWN: usize = 8;
const MAX_SHOWN_BYTES: usize = 256;

/// The part of one policy in a verdict. The policy is counted from 0, as saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyExplanation {
    pub policy: usize,
    pub decision: Decision,
    /// Whether it took part in the verdict: it applies to the request, and all of its rules matched.
    pub matches: bool,
    /// Why it does not apply to the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not_applicable: Option<String>,
    /// Every rule, even of a policy that does not apply: its author may have meant it to.
    pub rules: Vec<RuleExplanation>,
}

/// A rule, and the values that it was matched against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleExplanation {
    pub claim: String,
    pub pattern: String,
    /// The token's values, shortened: at most 8 values of at most 256 bytes, each cut with `…`.
    pub found: Vec<String>,
    /// How many more values the token has.
    #[serde(default, skip_serializing_if = "is_zero")]
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
