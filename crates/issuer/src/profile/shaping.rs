//! Applies a profile to a run.

use std::borrow::Cow;

use super::aws::{SOURCE_IDENTITY_CLAIM, TAGS_CLAIM, source_identity};
use super::compiled::{AudienceProfiles, Profile};
use super::shape::{Facts, Shape, ShapeError};
use super::subject::names_one_organization;

impl AudienceProfiles {
    /// The contents of tokens for `audience`. Refuses a run that the audience's profile cannot represent.
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
