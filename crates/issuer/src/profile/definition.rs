//! A profile as an owner writes it, and what can be wrong with that.

use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// All profiles of an organization, as they were written: audience, or its beginning and `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileDefinitions(pub IndexMap<String, ProfileDefinition>);

impl ProfileDefinitions {
    /// Whether one of them wants to be signed for with ES256.
    pub fn mention_es256(&self) -> bool {
        self.0.values().any(|profile| profile.algorithm == Some(ProfileAlgorithm::Es256))
    }
}

impl Serialize for ProfileDefinitions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ProfileDefinitions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        runmint_json::unique(deserializer).map(Self)
    }
}

impl JsonSchema for ProfileDefinitions {
    fn inline_schema() -> bool {
        IndexMap::<String, ProfileDefinition>::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        IndexMap::<String, ProfileDefinition>::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        IndexMap::<String, ProfileDefinition>::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        IndexMap::<String, ProfileDefinition>::json_schema(generator)
    }
}

/// How tokens for some audiences differ from what they would be by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileDefinition {
    /// Service → template. A service that is not here keeps its own subject.
    #[serde(deserialize_with = "runmint_json::unique", skip_serializing_if = "IndexMap::is_empty")]
    pub subject: IndexMap<String, String>,
    /// Of the names in a service's own subject, those in which runs may differ and have the same subject.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_omits: Vec<String>,
    /// The subjects from before, for those who have not changed yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_subject: Option<PreviousDefinition>,
    /// The longest subject that the audience takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_subject_bytes: Option<usize>,
    /// The only claims, beside the registered ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_claims: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leave_out_claims: Option<Vec<String>>,
    /// When nobody asks for less; nobody gets more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<ProfileAlgorithm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_session_tags: Option<SessionTagsDefinition>,
    /// The claim whose value AWS takes as the session's source identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviousDefinition {
    /// Service → template. A service that is not here had its own subject.
    #[serde(default, deserialize_with = "runmint_json::unique", skip_serializing_if = "IndexMap::is_empty")]
    pub subject: IndexMap<String, String>,
    #[serde(rename = "for")]
    pub whom: PreviousFor,
}

/// Whose runs keep the subjects from before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "`for` is \"all\" or an array of projects")]
pub enum PreviousFor {
    All(All),
    Projects(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum All {
    All,
}

/// Those that relying parties agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProfileAlgorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionTagsDefinition {
    /// Tag → the claim with its value.
    #[serde(deserialize_with = "runmint_json::unique")]
    pub tags: IndexMap<String, String>,
    /// Tags that go with the session into the next role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitive: Vec<String>,
}
