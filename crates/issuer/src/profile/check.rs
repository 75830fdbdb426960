//! Checks profiles before they are saved.

use super::compiled::AudienceProfiles;
use super::definition::{ProfileAlgorithm, ProfileDefinition, ProfileDefinitions};
use super::error::{DefinitionError, ProfileError};
use super::setting::Setting;
use super::{claims, subject};
use crate::lifetime::MIN_LIFETIME;

impl ProfileDefinitions {
    /// Refuses profiles that would give no token, or a token with claims that it must not have. Cloud
    /// policies may still trust any earlier subject format, whatever the audience: `before` holds the
    /// previous versions.
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
