//! `GET /api/user`: the bearer of a token, in the form that Pulumi's command line reads.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::OrNewer;
use super::access_tokens::{Origin, Role};
use super::principals::Right;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// The access token's.
    pub id: Uuid,
    #[serde(rename = "githubLogin")]
    pub github_login: String,
    pub name: String,
    /// Empty, as `avatar_url` is.
    pub email: String,
    #[serde(rename = "avatarUrl")]
    pub avatar_url: String,
    /// The token's organization; for an admin, the newest 200.
    pub organizations: Vec<UserOrganization>,
    /// Empty.
    pub identities: Vec<Map<String, Value>>,
    #[serde(rename = "hasMFA")]
    pub has_mfa: bool,
    #[serde(rename = "isOrgManaged")]
    pub is_org_managed: bool,
    #[serde(rename = "isManagedByMultiOrg")]
    pub is_managed_by_multi_org: bool,
    #[serde(rename = "tokenInfo")]
    pub token_info: TokenInfo,
    pub role: Role,
    pub expires_at: Option<Timestamp>,
    pub origin: Option<Origin>,
    /// Of the team or user; absent for other tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rights: Option<Vec<OrNewer<Right>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserOrganization {
    pub github_login: String,
    pub name: String,
    pub avatar_url: String,
    pub role: UserRole,
}

/// The role in the words of Pulumi's clients; `admin` is an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UserRole {
    Admin,
    Member,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenInfo {
    pub name: String,
    /// Empty for an admin's token.
    pub organization: String,
    /// Empty unless the token is a team's.
    pub team: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
}
