//! A service as an operator writes it, and its errors.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Deserialize;
use thiserror::Error;

use crate::subject::TemplateError;

/// The largest number of attributes and derived values of a service.
pub const MAX_ATTRIBUTES: usize = 32;

/// A service in a configuration file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceDefinition {
    /// Template over `{prefix}`, `{org}`, the attributes and the derived values.
    pub(super) subject: String,
    pub(super) attributes: IndexMap<String, AttributeDefinition>,
    #[serde(default)]
    pub(super) derived: IndexMap<String, DerivedDefinition>,
    /// Claim → template. If missing, every attribute and derived value is a claim of its own name.
    pub(super) claims: Option<IndexMap<String, String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttributeDefinition {
    pub(super) required: Option<bool>,
    /// The only values accepted.
    pub(super) values: Option<Vec<String>>,
    /// Template over the other attributes, used if the orchestrator gives no value.
    pub(super) default: Option<String>,
}

/// A value that is derived from an attribute.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DerivedDefinition {
    pub(super) from: String,
    #[serde(default)]
    pub(super) values: BTreeMap<String, String>,
    pub(super) otherwise: String,
}

/// The definition of a service is invalid.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ServiceError {
    #[error("`{0}` is not a valid service name: use lower-case letters, digits and underscores")]
    Name(String),
    #[error("`{0}` is built in; choose another name")]
    BuiltIn(String),
    #[error("subject: {0}")]
    Subject(TemplateError),
    #[error(
        "subject: must begin with `{{prefix}}:<word>:`, with a <word> that no other service uses, or two services could have the same subject"
    )]
    SubjectStart,
    #[error("subject: begins with `{{prefix}}:{word}:` as service `{other}` does")]
    SubjectTaken { word: String, other: String },
    #[error("subject: must contain `{{org}}`, or one organization could take the identity of another's runs")]
    SubjectWithoutOrganization,
    #[error("`{{{0}}}` is neither an attribute nor a derived value")]
    Unknown(String),
    #[error("`{{{0}}}` is in the subject and must therefore be required, or have a default")]
    Optional(String),
    #[error("`{0}` is not a valid attribute name: use lower-case letters, digits and underscores")]
    AttributeName(String),
    #[error("`{0}` is set by the issuer itself")]
    Reserved(String),
    #[error(
        "`{0}` is not a valid claim name: use lower-case letters, digits and underscores, or an https URL of your own"
    )]
    ClaimName(String),
    #[error("claim or default `{0}`: {1}")]
    Template(String, TemplateError),
    #[error("attribute `{0}`: set `required` or `default`, not both")]
    RequiredAndDefault(String),
    #[error("`{0}` is both an attribute and a derived value: rename one of them")]
    AttributeAndDerived(String),
    #[error(
        "subject: `:org:` may appear only right before `{{org}}`, or one organization's runs could pass for another's"
    )]
    OrganizationTwice,
    #[error("a service has at most {MAX_ATTRIBUTES} attributes")]
    TooMany,
}
