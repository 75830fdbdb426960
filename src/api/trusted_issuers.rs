//! `/api/orgs/{org}/oidc/issuers`, with the members of Pulumi Cloud's API.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// `POST /api/orgs/{org}/oidc/issuers`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RegisterIssuer {
    pub name: String,
    /// `iss` of its tokens, byte for byte.
    pub url: String,
    /// SHA-256 of TLS certificates, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbprints: Option<Vec<String>>,
    /// Seconds. Clients with a field for it send 0 where nothing was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_expiration: Option<i64>,
    /// A key set that is never fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub jwks: Option<Value>,
}

/// `PATCH /api/orgs/{org}/oidc/issuers/{id}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UpdateIssuer {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbprints: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_expiration: Option<i64>,
    /// `Some(Null)` has the key set fetched again; `None` leaves it as it is.
    #[serde(default, deserialize_with = "member", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub jwks: Option<Value>,
}

/// A member as it is, also if that is `null`.
fn member<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrustedIssuer {
    pub id: Uuid,
    pub name: String,
    pub url: String,
    /// The same as `url`.
    pub issuer: String,
    pub thumbprints: Vec<String>,
    /// The key set that was given; `None` where it is fetched.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub jwks: Option<Value>,
    /// Seconds that an exchanged token is valid at most.
    pub max_expiration: i64,
    pub created: Timestamp,
    pub modified: Timestamp,
    pub last_used: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrustedIssuers {
    pub oidc_issuers: Vec<TrustedIssuer>,
}
