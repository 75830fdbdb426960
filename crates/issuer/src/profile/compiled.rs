//! The profiles of an organization, compiled once and used for every token.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use jiff::SignedDuration;

use super::aws::SessionTags;
use super::claims::ClaimRule;
use super::definition::{ProfileAlgorithm, ProfileDefinition, ProfileDefinitions};
use super::error::{DefinitionError, ProfileError};
use super::limits::{MAX_PROFILES, MIN_SUBJECT_LIMIT};
use super::setting::Setting;
use super::subject::Subjects;
use crate::audience::Audience;
use crate::service::Service;
use crate::subject::MAX_SUBJECT_BYTES;

/// One version of an organization's profiles. Version 0 is empty.
#[derive(Debug, Default)]
pub struct AudienceProfiles {
    pub(super) version: i64,
    pub(super) by_audience: IndexMap<String, Profile>,
}

#[derive(Debug)]
pub(super) struct Profile {
    pub(super) subjects: Subjects,
    pub(super) max_subject_bytes: usize,
    pub(super) claims: ClaimRule,
    pub(super) lifetime: Option<SignedDuration>,
    pub(super) algorithm: Option<ProfileAlgorithm>,
    pub(super) session_tags: Option<SessionTags>,
    pub(super) source_identity: Option<String>,
}

impl AudienceProfiles {
    /// Compiles a version of the definitions. Checks their form, but not whether they may be saved.
    pub fn compile(version: i64, definitions: &ProfileDefinitions) -> Result<Self, ProfileError> {
        if definitions.0.len() > MAX_PROFILES {
            return Err(ProfileError::TooMany);
        }
        let mut by_audience = IndexMap::new();
        for (audience, definition) in &definitions.0 {
            check_audience(audience)?;
            let profile = Profile::compile(definition)
                .map_err(|source| ProfileError::Profile { audience: audience.clone(), source })?;
            by_audience.insert(audience.clone(), profile);
        }
        Ok(Self { version, by_audience })
    }

    /// The version of the definitions; 0 if the organization has none.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Checks that the subjects of a service are still allowed: the operator's configuration can change after
    /// profiles were saved.
    pub fn check_service(&self, service: &str, setting: Setting<'_>) -> Result<(), ProfileError> {
        self.by_audience.iter().try_for_each(|(audience, profile)| {
            let checked = profile.subjects.check_service(service, setting);
            checked.map_err(|source| ProfileError::Profile { audience: audience.clone(), source })
        })
    }

    /// The attributes of a service that identify a run to relying parties: those in subjects, and those in
    /// AWS session tags and source identities.
    pub fn identifying_attributes(&self, name: &str, service: &Service) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for profile in self.by_audience.values() {
            found.extend(service.attributes_behind(profile.subjects.names(name)));
            let tags = profile.session_tags.iter().flat_map(SessionTags::claims);
            for claim in tags.chain(profile.source_identity.as_deref()) {
                found.extend(service.claim_attributes(claim));
            }
        }
        found
    }

    pub(super) fn of(&self, audience: &str) -> Option<&Profile> {
        governing(&self.by_audience, audience).map(|(_, profile)| profile)
    }
}

/// The entry for exactly this audience, or else for its longest prefix that ends in `*`.
pub fn governing<'p, P>(by_audience: &'p IndexMap<String, P>, audience: &str) -> Option<(&'p str, &'p P)> {
    let beginning = |key: &str| key.strip_suffix('*').filter(|text| audience.starts_with(text)).map(str::len);
    let exact = by_audience.get_key_value(audience);
    let found = exact.or_else(|| {
        let beginnings = by_audience.iter().filter_map(|(key, one)| Some((beginning(key)?, (key, one))));
        beginnings.max_by_key(|(length, _)| *length).map(|(_, found)| found)
    });
    found.map(|(key, one)| (key.as_str(), one))
}

impl Profile {
    fn compile(definition: &ProfileDefinition) -> Result<Self, DefinitionError> {
        let max = definition.max_subject_bytes.unwrap_or(MAX_SUBJECT_BYTES);
        if !(MIN_SUBJECT_LIMIT..=MAX_SUBJECT_BYTES).contains(&max) {
            return Err(DefinitionError::MaxSubjectBytes);
        }
        Ok(Self {
            subjects: Subjects::compile(definition)?,
            max_subject_bytes: max,
            claims: ClaimRule::compile(definition)?,
            lifetime: definition.lifetime_seconds.map(SignedDuration::from_secs),
            algorithm: definition.algorithm,
            session_tags: definition.aws_session_tags.as_ref().map(SessionTags::compile).transpose()?,
            source_identity: definition.source_identity.clone(),
        })
    }
}

fn check_audience(audience: &str) -> Result<(), ProfileError> {
    let fixed = audience.strip_suffix('*');
    if fixed.unwrap_or(audience).contains('*') {
        return Err(ProfileError::Star(audience.to_owned()));
    }
    match fixed {
        // Every audience.
        Some("") => Ok(()),
        _ => Audience::parse(audience)
            .map(drop)
            .map_err(|source| ProfileError::Audience { audience: audience.to_owned(), source }),
    }
}
