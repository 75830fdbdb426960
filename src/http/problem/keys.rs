//! Signing keys and the verifiers that hold them.

use super::{Problem, sentence};
use crate::api::problem::ProblemType;
use crate::flows::make_key::MakeKeyError;
use crate::flows::refresh_keys::RefreshError;
use crate::flows::reseal_keys::ResealError;
use crate::flows::revoke_key::RevokeError;
use crate::flows::rotate_keys::RotateError;
use crate::flows::snapshot_verifiers::SnapshotVerifierError;
use crate::signing::key_store::KeyStoreError;

impl From<MakeKeyError> for Problem {
    fn from(error: MakeKeyError) -> Self {
        match error {
            MakeKeyError::KeyStore(KeyStoreError::Unreachable { .. }) | MakeKeyError::Interrupted => {
                tracing::error!(%error, "could not make a signing key");
                Self::unavailable()
            }
            MakeKeyError::KeyStore(
                KeyStoreError::Refused { .. }
                | KeyStoreError::NoSuchKey { .. }
                | KeyStoreError::Sealing(_)
                | KeyStoreError::Generate(_)
                | KeyStoreError::Unusable { .. },
            )
            | MakeKeyError::Unusable(_) => Self::internal(&error),
            MakeKeyError::Store(error) => error.into(),
        }
    }
}

impl From<RotateError> for Problem {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::Held(_) => Self::new(ProblemType::Conflict, sentence(&error)),
            RotateError::NoSuchRing => Self::new(ProblemType::NotFound, sentence(&error)),
            RotateError::Refresh(error) => error.into(),
            RotateError::MakeKey(error) => error.into(),
            RotateError::Store(error) => error.into(),
        }
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Store(error) => error.into(),
            RefreshError::Load(error) => Self::internal(&error),
            RefreshError::Barred(_) => {
                tracing::warn!(%error, "refused");
                Self::unavailable()
            }
        }
    }
}

impl From<RevokeError> for Problem {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::NoSuchKey => Self::new(ProblemType::NotFound, sentence(&error)),
            RevokeError::Already(_) | RevokeError::NotPublished => {
                Self::new(ProblemType::Conflict, sentence(&error))
            }
            RevokeError::Store(error) => error.into(),
        }
    }
}

impl From<ResealError> for Problem {
    fn from(error: ResealError) -> Self {
        match error {
            ResealError::NotEverywhere { .. } | ResealError::Changed(_) => {
                Self::new(ProblemType::Conflict, sentence(&error))
            }
            ResealError::Sealing(_) => Self::internal(&error),
            ResealError::Refresh(error) => error.into(),
            ResealError::Store(error) => error.into(),
        }
    }
}

impl From<SnapshotVerifierError> for Problem {
    fn from(error: SnapshotVerifierError) -> Self {
        match error {
            SnapshotVerifierError::Name
            | SnapshotVerifierError::NoKeys
            | SnapshotVerifierError::NoSuchKey(_) => Self::invalid_input(sentence(&error)),
            SnapshotVerifierError::NameTaken(_) => Self::new(ProblemType::Conflict, sentence(&error)),
            SnapshotVerifierError::NoSuchVerifier => Self::new(ProblemType::NotFound, sentence(&error)),
            SnapshotVerifierError::Store(error) => error.into(),
        }
    }
}
