//! A service as an operator writes it, and what can be wrong with that.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Deserialize;
use thiserror::Error;

use crate::subject::TemplateError;

pub const MAX_ATTRIBUTES: usize = 32;

/// A service as it stands in a configuration file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceDefinition {
    /// Template over `{prefix}`, `{org}`, the attributes and the derived values.
    pub(super) subject: String,
    pub(super) attributes: IndexMap<String, AttributeDefinition>,
    #[serde(default)]
    pub(super) derived: IndexMap<String, DerivedDefinition>,
    /// Claim → template. When absent, every attribute and derived value is a claim of its own name.
    pub(super) claims: Option<IndexMap<String, String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttributeDefinition {
    pub(super) required: Option<bool>,
    /// The only values accepted.
    pub(super) values: Option<Vec<String>>,
    /// Template over the other attributes, taken when the orchestrator gives no value.
    pub(super) default: Option<String>,
}

/// A value that follows from an attribute.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DerivedDefinition {
    pub(super) from: String,
    #[serde(default)]
    pub(super) values: BTreeMap<String, String>,
    pub(super) otherwise: String,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum ServiceError {
    #[error("service names are lower-case letters, digits and underscores: `{0}`")]
    Name(String),
    #[error("`{0}` is built in; choose another name")]
    BuiltIn(String),
    #[error("subject: {0}")]
    Subject(TemplateError),
    #[error(
        "subject: must begin with `{{prefix}}:<word>:`, where no other service uses <word>, or two services could speak of the same subject"
    )]
    SubjectStart,
    #[error("subject: begins with `{{prefix}}:{word}:` like service `{other}`")]
    SubjectTaken { word: String, other: String },
    #[error("subject: must contain `{{org}}`, or one organization could take the identity of another's runs")]
    SubjectWithoutOrganization,
    #[error("`{{{0}}}` is neither an attribute nor derived")]
    Unknown(String),
    #[error("`{{{0}}}` is in the subject and must therefore be required, or have a default")]
    Optional(String),
    #[error("`{0}` is no attribute name: lower-case letters, digits and underscores")]
    AttributeName(String),
    #[error("`{0}` is set by the issuer itself")]
    Reserved(String),
    #[error("claim `{0}`: a name is lower-case letters, digits and underscores, or an https URL of your own")]
    ClaimName(String),
    #[error("claim or default `{0}`: {1}")]
    Template(String, TemplateError),
    #[error("attribute `{0}`: `required` and `default` exclude each other")]
    RequiredAndDefault(String),
    #[error("`{0}` is an attribute and derived too: one of the two needs another name")]
    Twofold(String),
    #[error(
        "subject: `:org:` stands only right before `{{org}}`, or one organization's runs could pass for another's"
    )]
    OrganizationTwice,
    #[error("a service has at most {MAX_ATTRIBUTES} attributes")]
    TooMany,
}
