//! `/api/access-tokens` and `/api/orgs/{org}/access-tokens`

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Word;
use super::page::page;

/// What a token may do. An admin may do everything; within an organization each role includes those below it: owner,
/// orchestrator, viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Admin,
    Owner,
    Orchestrator,
    Viewer,
}

/// The roles of an organization's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrganizationRole {
    Owner,
    Orchestrator,
    Viewer,
}

/// `POST /api/access-tokens`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAdminToken {
    pub name: String,
    /// 60 to 31536000; without it the token never expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<i64>,
}

/// `POST /api/orgs/{org}/access-tokens`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAccessToken {
    pub name: String,
    pub role: Word<OrganizationRole>,
    /// 60 to 31536000; without it the token never expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<i64>,
}

/// An access token without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccessToken {
    pub id: Uuid,
    pub name: String,
    pub role: Role,
    /// `None` for role admin.
    pub organization: Option<String>,
    /// `None` where the role says all.
    pub holder: Option<Holder>,
    pub origin: Option<Origin>,
    pub created_at: Timestamp,
    /// `None` for never.
    pub expires_at: Option<Timestamp>,
    /// To the minute.
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

/// The team, user or runner that a token was exchanged for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Holder {
    pub kind: HolderKind,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HolderKind {
    Team,
    User,
    Runner,
}

/// The token of a trusted issuer that this came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// The issuer's URL.
    pub issuer: String,
    /// `sub` of its token.
    pub subject: String,
    /// `jti` of its token, if it had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

/// A new access token with its secret, which is never shown again.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct CreatedAccessToken {
    #[serde(flatten)]
    pub token: AccessToken,
    /// The secret, `rmat_…`.
    pub access_token: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccessTokenPage {
    pub access_tokens: Vec<AccessToken>,
    pub next_cursor: Option<String>,
}

page!(AccessTokenPage, access_tokens: AccessToken);
