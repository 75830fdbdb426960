//! Runs, their tokens, audience profiles and cloud settings.

use super::{Problem, sentence};
use crate::api::problem::ProblemType;
use crate::flows::audience_profiles::AudienceProfilesError;
use crate::flows::cloud_settings::CloudSettingsError;
use crate::flows::end_run::EndRunError;
use crate::flows::mint_id_token::MintError;
use crate::flows::start_run::StartRunError;
use crate::signing::signer::SigningError;

impl From<StartRunError> for Problem {
    fn from(error: StartRunError) -> Self {
        match error {
            StartRunError::UnknownService { .. }
            | StartRunError::Attribute(_)
            | StartRunError::Ttl { .. }
            | StartRunError::AudienceCount
            | StartRunError::Audience(_)
            | StartRunError::Shape { .. }
            | StartRunError::SubjectTooLong { .. } => Self::invalid_input(sentence(&error)),
            StartRunError::Profiles(_) => {
                tracing::error!(%error, "could not start a run: the audience profiles do not fit the configured services");
                Self::invalid_input(sentence(&error))
            }
            StartRunError::CloudSettings(error) => error.into(),
            StartRunError::OrganizationDeleted => Self::new(ProblemType::NotFound, sentence(&error)),
            StartRunError::Store(error) => error.into(),
        }
    }
}

impl From<EndRunError> for Problem {
    fn from(error: EndRunError) -> Self {
        match error {
            EndRunError::EndedOtherwise(_) => Self::new(ProblemType::Conflict, sentence(&error)),
            EndRunError::Gone => Self::new(ProblemType::NotFound, sentence(&error)),
            EndRunError::Store(error) => error.into(),
        }
    }
}

impl From<MintError> for Problem {
    fn from(error: MintError) -> Self {
        match error {
            MintError::Unauthenticated => Self::unauthorized(),
            MintError::RunEnded(_) => Self::new(ProblemType::RunEnded, sentence(&error)),
            MintError::Audience(_) => Self::bad_request(sentence(&error)),
            MintError::AudienceNotAllowed { .. } => {
                Self::new(ProblemType::AudienceNotAllowed, sentence(&error))
            }
            MintError::Lifetime(_) | MintError::Shape { .. } => Self::invalid_input(sentence(&error)),
            MintError::NoSigningKey
            | MintError::KeyReplaced
            | MintError::NotPublished
            | MintError::Keys(_)
            | MintError::NotRecorded(_)
            | MintError::Signing(SigningError::Busy) => {
                tracing::warn!(%error, "could not mint a token");
                Self::unavailable()
            }
            MintError::Signing(SigningError::Unusable(_) | SigningError::Failed(_)) => Self::internal(&error),
            MintError::Store(error) => error.into(),
        }
    }
}

impl From<AudienceProfilesError> for Problem {
    fn from(error: AudienceProfilesError) -> Self {
        match error {
            AudienceProfilesError::Profiles(_) => Self::invalid_input(sentence(&error)),
            AudienceProfilesError::Changed(_) => Self::new(ProblemType::Conflict, sentence(&error)),
            AudienceProfilesError::Audience(_) | AudienceProfilesError::Runs => {
                Self::bad_request(sentence(&error))
            }
            AudienceProfilesError::Form(_) => Self::internal(&error),
            AudienceProfilesError::Store(error) => error.into(),
        }
    }
}

impl From<CloudSettingsError> for Problem {
    fn from(error: CloudSettingsError) -> Self {
        match error {
            CloudSettingsError::Document(_) => Self::invalid_input(sentence(&error)),
            CloudSettingsError::Changed(_) => Self::new(ProblemType::Conflict, sentence(&error)),
            CloudSettingsError::Saved(_) => Self::internal(&error),
            CloudSettingsError::Store(error) => error.into(),
        }
    }
}
