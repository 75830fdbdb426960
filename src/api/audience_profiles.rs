//! `/api/orgs/{org}/audience-profiles`

use indexmap::IndexMap;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::OrNewer;
use crate::issuer::profile::{ProfileDefinition, ProfileDefinitions};

/// `PUT /api/orgs/{org}/audience-profiles`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceAudienceProfiles {
    /// The version that these replace; 0 for the first.
    pub version: i64,
    pub profiles: ProfileDefinitions,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProfileDocument {
    /// 0 before the first.
    pub version: i64,
    /// Audience → profile. A name that ends in `*` is for every audience that begins so.
    pub profiles: IndexMap<String, OrNewer<ProfileDefinition>>,
    pub modified_at: Option<Timestamp>,
}

/// `GET /api/orgs/{org}/audience-profiles/usage`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubjectFormats {
    pub formats: Vec<SubjectFormat>,
}

/// The tokens of one audience and service whose subjects one template made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubjectFormat {
    pub audience: String,
    pub service: String,
    /// The template. Empty for the own one of a service that is not configured any more.
    pub subject: String,
    pub is_services_own: bool,
    pub tokens: i64,
    pub runs: i64,
    pub projects: Vec<String>,
    pub last_minted_at: Timestamp,
    /// The newest run with such a token.
    pub last_run: Uuid,
}
