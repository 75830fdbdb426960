//! Audience profiles: one identity, told to each relying party in the form that it can use.
//!
//! An organization's owner writes them, and what a token says is somebody's cloud account: so no profile can
//! make a subject that another organization's or another service's runs could have.

mod aws;
mod claims;
mod definition;
pub mod presets;
mod shape;
mod subject;

use std::collections::BTreeSet;

use indexmap::IndexMap;
use jiff::SignedDuration;
use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use self::aws::SessionTags;
use self::claims::ClaimRule;
pub use self::definition::{
    DefinitionError, PreviousFor, ProfileAlgorithm, ProfileDefinition, ProfileError, SubjectRefusal,
};
pub use self::shape::{Facts, Shape, ShapeError};
use self::subject::Subjects;
use crate::audience::Audience;
use crate::lifetime::MIN_LIFETIME;
use crate::service::{Service, Services};
use crate::subject::MAX_SUBJECT_BYTES;

pub const MAX_PROFILES: usize = 50;
const MAX_TEMPLATE_BYTES: usize = 512;
/// AWS takes fifty session tags.
const MAX_TAGS: usize = 50;
const MIN_SUBJECT_LIMIT: usize = 32;

/// All profiles of an organization, as they were written: audience, or its beginning and `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileDefinitions(pub IndexMap<String, ProfileDefinition>);

/// One version of an organization's profiles. Version 0 has none.
#[derive(Debug, Default)]
pub struct AudienceProfiles {
    version: i64,
    by_audience: IndexMap<String, Profile>,
}

#[derive(Debug)]
struct Profile {
    subjects: Subjects,
    max_subject_bytes: usize,
    claims: ClaimRule,
    lifetime: Option<SignedDuration>,
    algorithm: Option<ProfileAlgorithm>,
    session_tags: Option<SessionTags>,
    source_identity: Option<String>,
}

/// What profiles are checked against when they are saved.
#[derive(Clone, Copy)]
pub struct Setting<'s> {
    pub services: &'s Services,
    /// Whether no other organization's tokens have the same `iss`.
    pub own_issuer: bool,
    pub max_lifetime: SignedDuration,
    /// Audiences of Microsoft Entra.
    pub rs256_only: &'s [&'s str],
}

impl ProfileDefinitions {
    /// Whether one of them wants to be signed for with ES256.
    pub fn mention_es256(&self) -> bool {
        self.0.values().any(|profile| profile.algorithm == Some(ProfileAlgorithm::Es256))
    }

    /// Refuses what can make no token, or one that says what it must not. Policies may still believe in any format
    /// that ever was, whatever the audience: `before` holds the versions from before.
    pub fn check(&self, setting: Setting<'_>, before: &[Self]) -> Result<(), ProfileError> {
        AudienceProfiles::compile(0, self)?;
        self.0.iter().try_for_each(|(audience, definition)| {
            let mut others = before.iter().chain([self]).flat_map(|version| version.0.values());
            check_definition(audience, definition, setting)
                .and_then(|()| others.try_for_each(|other| subject::check_against(definition, other)))
                .map_err(|source| ProfileError::Profile { audience: audience.clone(), source })
        })
    }
}

impl AudienceProfiles {
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

    pub fn version(&self) -> i64 {
        self.version
    }

    /// Whether the subjects of a service are still such as may be: what an operator configures can change
    /// after they were saved.
    pub fn check_service(&self, service: &str, setting: Setting<'_>) -> Result<(), ProfileError> {
        self.by_audience.iter().try_for_each(|(audience, profile)| {
            let checked = profile.subjects.check_service(service, setting);
            checked.map_err(|source| ProfileError::Profile { audience: audience.clone(), source })
        })
    }

    /// The attributes of a service that tell relying parties who a run is: those in subjects, and those in what
    /// AWS gives powers to.
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

    fn of(&self, audience: &str) -> Option<&Profile> {
        governing(&self.by_audience, audience).map(|(_, profile)| profile)
    }
}

/// What stands under exactly this audience, or else under its longest beginning.
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
        // Whatever the audience.
        Some("") => Ok(()),
        _ => Audience::parse(audience)
            .map(drop)
            .map_err(|source| ProfileError::Audience { audience: audience.to_owned(), source }),
    }
}

fn check_definition(
    audience: &str,
    definition: &ProfileDefinition,
    setting: Setting<'_>,
) -> Result<(), DefinitionError> {
    subject::check(definition, setting)?;
    claims::check(definition, setting.services)?;
    let lifetimes = MIN_LIFETIME.as_secs()..=setting.max_lifetime.as_secs();
    if definition.lifetime_seconds.is_some_and(|seconds| !lifetimes.contains(&seconds)) {
        return Err(DefinitionError::Lifetime { max: setting.max_lifetime.as_secs() });
    }
    if definition.algorithm == Some(ProfileAlgorithm::Es256) && setting.rs256_only.contains(&audience) {
        return Err(DefinitionError::EntraAlgorithm);
    }
    Ok(())
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

#[cfg(test)]
mod tests;
