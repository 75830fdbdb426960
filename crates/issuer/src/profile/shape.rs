//! What a token for one audience says of its run.

use std::borrow::Cow;

use jiff::SignedDuration;
use serde_json::{Map, Value};
use thiserror::Error;

use super::definition::ProfileAlgorithm;
use crate::service::Attributes;

/// What is known of a run.
#[derive(Clone, Copy)]
pub struct Facts<'r> {
    pub service: &'r str,
    /// By the service's own template.
    pub subject: &'r str,
    pub values: &'r Attributes,
    /// Beside the registered ones.
    pub claims: &'r Map<String, Value>,
}

#[derive(Debug)]
pub struct Shape<'r> {
    pub subject: Cow<'r, str>,
    /// The template that made the subject; `None` for the service's own.
    pub format: Option<&'r str>,
    pub claims: Cow<'r, Map<String, Value>>,
    /// At most, and when nobody asks for less.
    pub lifetime: Option<SignedDuration>,
    pub algorithm: Option<ProfileAlgorithm>,
}

/// Why a run gets no token for an audience.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ShapeError {
    #[error("the audience's profile names `{{{0}}}`, which this run does not have")]
    Missing(String),
    #[error(
        "a value is `org`, and by the template of this audience its subject would read like another organization's: choose another name"
    )]
    SecondOrganization,
    #[error(
        "the subject has {bytes} bytes, and this audience takes {max} at most: use shorter names, or another template in its profile"
    )]
    SubjectTooLong { bytes: usize, max: usize },
    #[error(
        "claim `{claim}` cannot be the AWS session tag `{tag}`: at most 256 letters, digits, blanks and `_.:/=+-@`"
    )]
    TagValue { tag: String, claim: String },
    #[error(
        "claim `{claim}` cannot be the source identity: 2 to 64 letters, digits and `_+=,.@-`, not beginning with `aws:`"
    )]
    SourceIdentity { claim: String },
}
