//! Starting points for profiles, one for each kind of relying party. They are data; nothing applies them by
//! itself.

use indexmap::IndexMap;
use serde::Deserialize;

use super::definition::ProfileDefinition;

/// A profile to start from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    pub why: String,
    /// The audience, unless the owner may choose it.
    pub audience: String,
    pub profile: ProfileDefinition,
}

/// All presets by name.
pub fn presets() -> IndexMap<String, Preset> {
    serde_json::from_str(include_str!("presets.json")).expect("the presets parse")
}
