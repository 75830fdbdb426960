//! `/api/orgs`

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Word;
use super::keys::Algorithm;
use super::page::page;

/// `POST /api/orgs`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateOrganization {
    /// `[a-z0-9][a-z0-9-]{0,62}`
    pub name: String,
    /// `shared` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Word<IssuerChoice>>,
    /// RS256 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Word<Algorithm>>,
}

/// Where an organization's tokens come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IssuerChoice {
    Shared,
    Own,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Organization {
    pub id: Uuid,
    pub name: String,
    pub created_at: Timestamp,
    /// `iss` of its tokens.
    pub issuer: String,
    pub algorithm: Algorithm,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrganizationPage {
    pub organizations: Vec<Organization>,
    pub next_cursor: Option<String>,
}

page!(OrganizationPage, organizations: Organization);
