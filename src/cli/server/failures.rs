//! Exit codes of errors that keep a server from starting.

use crate::cli::terminal::failure::Failure;
use crate::config::ConfigError;
use crate::flows::load_keys::LoadKeysError;
use crate::launch::LaunchError;
use crate::signing::key_store::KeyStoreError;
use crate::signing::sealing::SealingError;

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::configuration(error)
    }
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        match error {
            LaunchError::Sealing(SealingError::Missing(_))
            | LaunchError::Tls(_)
            | LaunchError::Publish(_)
            | LaunchError::NotInitialized => Self::configuration(error),
            LaunchError::Sealing(_)
            | LaunchError::KeyStore(KeyStoreError::Sealing(_))
            | LaunchError::LoadKeys(
                LoadKeysError::KeyStore(KeyStoreError::Sealing(_)) | LoadKeysError::Unproven(_),
            ) => Self::sealing_key(error),
            LaunchError::Open(_)
            | LaunchError::Store(_)
            | LaunchError::KeyStore(_)
            | LaunchError::LoadKeys(_)
            | LaunchError::Initialize(_)
            | LaunchError::Abandon(_) => Self::failed(error),
        }
    }
}
