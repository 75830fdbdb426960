//! What a token for one audience says of its run.

use std::borrow::Cow;

use jiff::SignedDuration;
use serde_json::{Map, Value};
use thiserror::Error;

use super::aws::{SOURCE_IDENTITY_CLAIM, TAGS_CLAIM, source_identity};
use super::definition::ProfileAlgorithm;
use super::subject::names_one_organization;
use super::{AudienceProfiles, Profile};
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

impl AudienceProfiles {
    /// The run as tokens for `audience` show it.
    pub fn shape<'r>(&'r self, audience: &str, facts: Facts<'r>) -> Result<Shape<'r>, ShapeError> {
        match self.of(audience) {
            Some(profile) => profile.shape(facts),
            None => Ok(Shape {
                subject: Cow::Borrowed(facts.subject),
                format: None,
                claims: Cow::Borrowed(facts.claims),
                lifetime: None,
                algorithm: None,
            }),
        }
    }
}

impl Profile {
    fn shape<'r>(&'r self, facts: Facts<'r>) -> Result<Shape<'r>, ShapeError> {
        let (subject, format) = match self.subjects.of(&facts) {
            None => (Cow::Borrowed(facts.subject), None),
            Some((text, template)) => {
                let value_of = |name: &str| facts.values.get(name).map(String::as_str);
                let subject = template.render(value_of).ok_or_else(|| {
                    let missing = template.names().find(|name| !facts.values.contains_key(*name));
                    ShapeError::Missing(missing.unwrap_or_default().to_owned())
                })?;
                if !names_one_organization(&subject, template) {
                    return Err(ShapeError::SecondOrganization);
                }
                (Cow::Owned(subject), Some(text))
            }
        };
        if subject.len() > self.max_subject_bytes {
            return Err(ShapeError::SubjectTooLong { bytes: subject.len(), max: self.max_subject_bytes });
        }
        let mut claims = self.claims.apply(facts.claims);
        if let Some(tags) = &self.session_tags
            && let Some(claim) = tags.claim(facts.claims)?
        {
            claims.insert(TAGS_CLAIM.into(), claim);
        }
        if let Some(claim) = &self.source_identity
            && let Some(value) = source_identity(claim, facts.claims)?
        {
            claims.insert(SOURCE_IDENTITY_CLAIM.into(), value);
        }
        Ok(Shape {
            subject,
            format,
            claims: Cow::Owned(claims),
            lifetime: self.lifetime,
            algorithm: self.algorithm,
        })
    }
}
