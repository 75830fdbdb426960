//! The contents of a token for one audience.

use std::borrow::Cow;

use jiff::SignedDuration;
use serde_json::{Map, Value};
use thiserror::Error;

use super::definition::ProfileAlgorithm;
use crate::service::Attributes;

/// The identity of a run, before a profile applies.
#[derive(Clone, Copy)]
pub struct Facts<'r> {
    pub service: &'r str,
    /// The subject by the service's own template.
    pub subject: &'r str,
    pub values: &'r Attributes,
    /// The claims in addition to the registered ones.
    pub claims: &'r Map<String, Value>,
}

/// The subject, claims, lifetime and algorithm of a token for one audience.
#[derive(Debug)]
pub struct Shape<'r> {
    pub subject: Cow<'r, str>,
    /// The template that gave the subject; `None` for the service's own.
    pub format: Option<&'r str>,
    pub claims: Cow<'r, Map<String, Value>>,
    /// The default and longest lifetime.
    pub lifetime: Option<SignedDuration>,
    pub algorithm: Option<ProfileAlgorithm>,
}

/// Why a run gets no token for an audience.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ShapeError {
    #[error("the audience's profile names `{{{0}}}`, which this run does not have")]
    Missing(String),
    #[error(
        "a value is `org`, so the template of this audience would give a subject that reads like another organization's: choose another name"
    )]
    SecondOrganization,
    #[error(
        "the subject has {bytes} bytes, and this audience takes {max} at most: use shorter names, or another template in its profile"
    )]
    SubjectTooLong { bytes: usize, max: usize },
    #[error(
        "claim `{claim}` is not valid as AWS session tag `{tag}`: use at most 256 letters, digits, spaces and `_.:/=+-@`"
    )]
    TagValue { tag: String, claim: String },
    #[error(
        "claim `{claim}` is not valid as the source identity: use 2 to 64 letters, digits and `_+=,.@-`, not beginning with `aws:`"
    )]
    SourceIdentity { claim: String },
}
