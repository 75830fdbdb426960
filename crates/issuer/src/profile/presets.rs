//! Profiles to begin with, one for each kind of relying party. They are data, and nothing uses them by itself.

use indexmap::IndexMap;
use serde::Deserialize;

use super::definition::ProfileDefinition;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    pub why: String,
    /// Where the audience is not the owner's to choose, it is this.
    pub audience: String,
    pub profile: ProfileDefinition,
}

pub fn presets() -> IndexMap<String, Preset> {
    serde_json::from_str(include_str!("presets.json")).expect("the presets parse")
}
