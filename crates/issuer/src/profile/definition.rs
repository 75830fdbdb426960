//! A profile as an owner writes it.

use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// All profiles of an organization as written: audience, or a prefix and `*` → profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileDefinitions(pub IndexMap<String, ProfileDefinition>);

impl ProfileDefinitions {
    /// Whether a profile asks for ES256.
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

/// How tokens for an audience differ from the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileDefinition {
    /// Service → template. A service that is missing here keeps its own subject.
    #[serde(deserialize_with = "runmint_json::unique", skip_serializing_if = "IndexMap::is_empty")]
    pub subject: IndexMap<String, String>,
    /// Names in a service's own subject in which runs may differ and still share a subject.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_omits: Vec<String>,
    /// The previous subjects, for projects that have not migrated yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_subject: Option<PreviousDefinition>,
    /// The longest subject that the audience accepts, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_subject_bytes: Option<usize>,
    /// The only claims, in addition to the registered ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_claims: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leave_out_claims: Option<Vec<String>>,
    /// The default and longest lifetime, in seconds.
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

/// The subjects before a migration, and the runs that keep them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviousDefinition {
    /// Service → template. A service that is missing here had its own subject.
    #[serde(default, deserialize_with = "runmint_json::unique", skip_serializing_if = "IndexMap::is_empty")]
    pub subject: IndexMap<String, String>,
    #[serde(rename = "for")]
    pub whom: PreviousFor,
}

/// The runs that keep the previous subjects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "`for` is \"all\" or an array of projects")]
pub enum PreviousFor {
    All(All),
    Projects(Vec<String>),
}

/// The word `all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum All {
    All,
}

/// The algorithms that relying parties have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProfileAlgorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
}

/// AWS session tags (IAM User Guide, "Passing session tags in AWS STS").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionTagsDefinition {
    /// Tag → the claim with its value.
    #[serde(deserialize_with = "runmint_json::unique")]
    pub tags: IndexMap<String, String>,
    /// Tags that pass on to the next role of a session (role chaining).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitive: Vec<String>,
}
