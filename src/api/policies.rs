//! `/api/orgs/{org}/auth/policies`, with the members of Pulumi Cloud's API; explaining and replaying are our own.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::page::page;
use super::{OrNewer, Word};
use crate::trust::lint::{Code, Finding as LintFinding, Severity};
use crate::trust::policy::PolicyDocument;
use crate::trust::policy::evaluation::{Asked, Verdict};
use crate::trust::policy::explanation::PolicyExplanation;

/// `PATCH /api/orgs/{org}/auth/policies/{id}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplacePolicies {
    pub policies: Vec<PolicyDocument>,
}

/// `GET /api/orgs/{org}/auth/policies/oidcissuers/{id}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IssuerPolicies {
    /// Of the policies; the issuer has another.
    pub id: Uuid,
    pub version: i64,
    pub created: Timestamp,
    pub modified: Timestamp,
    pub policies: Vec<OrNewer<PolicyDocument>>,
    pub findings: Vec<Finding>,
}

/// A risk in a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Counted from 0.
    pub policy: usize,
    /// The claim path of the rule; absent when it is about one that is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    pub severity: Severity,
    pub code: Word<Code>,
    pub reason: String,
}

impl From<LintFinding> for Finding {
    fn from(finding: LintFinding) -> Self {
        let LintFinding { policy, rule, severity, code, reason } = finding;
        Self { policy, rule, severity, code: code.into(), reason }
    }
}

/// `POST …/explain`: either a token, whose signature does not matter, or claims.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainPolicies {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Map<String, Value>>,
    pub asked: Asked,
    /// A draft instead of the policies in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<PolicyDocument>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    pub decision: Verdict,
    /// One for each policy that is about this audience.
    pub explanation: Vec<PolicyExplanation>,
    pub not_for_audience: NotForAudience,
    /// Whether `iss` is this issuer's URL.
    pub issuer_matches: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NotForAudience {
    /// How many policies are not about a token for this audience.
    pub policies: usize,
    pub expected: Vec<String>,
    /// `aud` of the token, whatever it is.
    pub found: Value,
}

/// `POST …/replay`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayPolicies {
    pub policies: Vec<PolicyDocument>,
    /// How many exchanges, from the last one back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Replay {
    pub replayed: usize,
    pub differences: Vec<Difference>,
}

/// An exchange that the draft would decide otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    #[serde(flatten)]
    pub exchange: Exchange,
    pub before: Outcome,
    pub after: Outcome,
}

/// An exchange that policies decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exchange {
    pub id: Uuid,
    pub at: Timestamp,
    pub asked: OrNewer<Asked>,
    /// The verified claims.
    pub claims: Map<String, Value>,
    pub outcome: Outcome,
    pub policy_version: i64,
    /// The caller's network address.
    pub caller: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Allowed,
    Denied,
    NoMatch,
}

/// An exchange and the access token that came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordedExchange {
    #[serde(flatten)]
    pub exchange: Exchange,
    /// `None` where it was refused.
    pub access_token_id: Option<Uuid>,
}

/// `GET …/exchanges`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exchanges {
    pub exchanges: Vec<RecordedExchange>,
    pub next_cursor: Option<String>,
}

page!(Exchanges, exchanges: RecordedExchange);
