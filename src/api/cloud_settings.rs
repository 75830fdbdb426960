//! `/api/orgs/{org}/cloud-settings`

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::OrNewer;
use crate::clouds::settings::document::CloudEntry;

/// `PUT /api/orgs/{org}/cloud-settings`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceCloudSettings {
    /// The version that these replace; 0 for the first.
    pub version: i64,
    pub settings: Vec<CloudEntry>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CloudDocument {
    /// 0 before the first.
    pub version: i64,
    pub settings: Vec<OrNewer<CloudEntry>>,
    pub modified_at: Option<Timestamp>,
}
