//! A profile as an owner writes it, and what can be wrong with that.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{MAX_PROFILES, MAX_TAGS, MAX_TEMPLATE_BYTES, MIN_SUBJECT_LIMIT};
use crate::audience::AudienceError;
use crate::lifetime::MIN_LIFETIME;
use crate::subject::{MAX_SUBJECT_BYTES, TemplateError};

/// How tokens for some audiences differ from what they would be by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviousDefinition {
    /// Service → template. A service that is not here had its own subject.
    #[serde(default, deserialize_with = "runmint_json::unique", skip_serializing_if = "IndexMap::is_empty")]
    pub subject: IndexMap<String, String>,
    #[serde(rename = "for")]
    pub whom: PreviousFor,
}

/// Whose runs keep the subjects from before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "`for` is \"all\" or an array of projects")]
pub enum PreviousFor {
    All(All),
    Projects(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum All {
    All,
}

/// Those that relying parties agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProfileAlgorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionTagsDefinition {
    /// Tag → the claim with its value.
    #[serde(deserialize_with = "runmint_json::unique")]
    pub tags: IndexMap<String, String>,
    /// Tags that go with the session into the next role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitive: Vec<String>,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum ProfileError {
    #[error("an organization has at most {MAX_PROFILES} profiles")]
    TooMany,
    #[error("audience `{audience}`: {source}")]
    Audience { audience: String, source: AudienceError },
    #[error("audience `{0}`: `*` stands at the end, or not at all")]
    Star(String),
    #[error("profile of `{audience}`: {source}")]
    Profile { audience: String, source: DefinitionError },
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum DefinitionError {
    #[error("subject of {service}: {source}")]
    Template { service: String, source: TemplateError },
    #[error("subject of {0}: a template has at most {MAX_TEMPLATE_BYTES} bytes")]
    TemplateTooLong(String),
    #[error("subject of {service}: {source}")]
    Subject { service: String, source: SubjectRefusal },
    #[error("there is no service `{0}`")]
    UnknownService(String),
    #[error("subject_omits: `{0}` is left out of none of these subjects")]
    OmitsNothing(String),
    #[error("previous_subject: it is for no project; leave it out")]
    PreviousForNobody,
    #[error("previous_subject: it is the same as the present one for every service")]
    PreviousIsPresent,
    #[error("max_subject_bytes is {MIN_SUBJECT_LIMIT} to {MAX_SUBJECT_BYTES}")]
    MaxSubjectBytes,
    #[error("include_claims and leave_out_claims exclude each other")]
    IncludeAndLeaveOut,
    #[error("claim `{0}` is in every token: it is neither included nor left out")]
    RegisteredClaim(String),
    #[error("no service has a claim `{0}`")]
    UnknownClaim(String),
    #[error("`{0}` is given twice")]
    Twice(String),
    #[error("lifetime_seconds is {min} to {max}", min = MIN_LIFETIME.as_secs())]
    Lifetime { max: i64 },
    #[error("aws_session_tags: AWS takes 1 to {MAX_TAGS} tags")]
    TagCount,
    #[error(
        "aws_session_tags: `{0}` is no tag's name: 1 to 128 of letters, digits, spaces and `_.:/=+-@`, not beginning with `aws:`"
    )]
    TagName(String),
    #[error("aws_session_tags: `{0}` stands there in another case: AWS does not tell them apart")]
    TagCase(String),
    #[error("aws_session_tags: `{0}` is transitive and no tag")]
    Transitive(String),
    #[error("`{0}` is no text, which a tag and a source identity are")]
    NotText(String),
    #[error("Microsoft Entra verifies RS256 alone")]
    EntraAlgorithm,
}

/// Why a template would make subjects that say too little, or that somebody else could have.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SubjectRefusal {
    #[error("`{{{0}}}` is nothing that this service's own subjects depend on")]
    Unknown(String),
    #[error(
        "must begin with `{head}`, as this service's own subjects do: otherwise another organization or service could speak of the same subject"
    )]
    Head { head: String },
    #[error(
        "must begin with `{{prefix}}:{word}:`, as this service's own subjects do: otherwise another service could speak of the same subject"
    )]
    Word { word: String },
    #[error("`:org:` stands only right before `{{org}}`, or runs could pass for another organization's")]
    OrganizationTwice,
    #[error(
        "leaves out {{{0}}}: runs that differ in nothing else would have the same subject. Where that is meant, name it in subject_omits"
    )]
    LeavesOut(String),
    #[error(
        "could be taken for `{other}`, which other runs have or had: put a word of its own where it begins to differ, as `:v2:` before the next value"
    )]
    Ambiguous { other: String },
}
