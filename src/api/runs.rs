//! `/api/orgs/{org}/runs` and `/api/runs/{id}`

use indexmap::IndexMap;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::access_tokens::Origin;
use super::page::page;
use crate::issuer::service::Attributes;

/// `POST /api/orgs/{org}/runs` and `POST /api/orgs/{org}/runs/preview`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRun {
    pub service: String,
    #[serde(deserialize_with = "runmint_json::unique")]
    pub attributes: Attributes,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<i64>,
    /// Without it, any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audiences: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    pub id: Uuid,
    pub organization: String,
    pub service: String,
    pub state: RunState,
    pub attributes: Attributes,
    /// The audiences that it may ask for; `None` for any.
    pub audiences: Option<Vec<String>>,
    /// Settings of each cloud.
    pub cloud: Map<String, Value>,
    pub origin: Option<Origin>,
    pub created_at: Timestamp,
    /// The deadline.
    pub expires_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    #[serde(flatten)]
    pub content: TokenContent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    Active,
    Finished,
    Cancelled,
    Expired,
}

/// What a run's tokens say for the audience in question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokenContent {
    /// `None` where a token would be refused.
    pub subject: Option<String>,
    /// `None` where a token would be refused.
    pub claims: Option<Map<String, Value>>,
    /// Why there would be no token; absent where there would be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// A new run with the secrets that its runner needs. They are never shown again.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct StartedRun {
    #[serde(flatten)]
    pub run: Run,
    /// Where the run asks for tokens. It has a query: append `&audience=…`.
    pub request_url: String,
    /// The secret with which it asks, `rmrt_…`.
    pub request_token: String,
    pub environment: RunEnvironment,
}

/// Environment variables for the runner. Two of them are secrets.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub struct RunEnvironment {
    pub actions_id_token_request_url: String,
    pub actions_id_token_request_token: String,
    pub runmint_id_token_request_url: String,
    pub runmint_id_token_request_token: String,
    pub runmint_run_id: Uuid,
    pub runmint_url: String,
    /// JSON; absent where there are no settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runmint_cloud_settings: Option<String>,
    /// Variables of a newer server.
    #[serde(flatten)]
    pub others: IndexMap<String, String>,
}

/// `GET /api/orgs/{org}/runs`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunPage {
    pub runs: Vec<Run>,
    pub next_cursor: Option<String>,
}

page!(RunPage, runs: Run);

/// `POST /api/orgs/{org}/runs/preview`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    pub subject_bytes: u64,
    pub limits: Vec<Limit>,
    pub cloud: Map<String, Value>,
    #[serde(flatten)]
    pub content: TokenContent,
}

/// One limit of one relying party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limit {
    pub relying_party: String,
    /// The measure and its unit.
    pub what: String,
    /// `None` where the limit is not a number.
    pub limit: Option<u64>,
    pub actual: Option<u64>,
    /// Whether the limit is kept.
    pub ok: bool,
    /// `None` where the limit is kept.
    pub advice: Option<String>,
}
