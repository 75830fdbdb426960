//! The AWS CLI's cached session in the user's home directory, where it would outlive the run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::clouds::handover::aws::cli_cache_file;
use crate::clouds::settings::{AwsSettings, RoleSessionName};

/// Removed when dropped.
pub(super) struct CliCache {
    path: PathBuf,
}

impl CliCache {
    /// Removes the session of an earlier run with the same name at once: the AWS CLI would use it for this run.
    pub(super) fn of(home: &Path, settings: &AwsSettings, session_name: &RoleSessionName) -> Self {
        let path = home.join(".aws/cli/cache").join(cli_cache_file(&settings.role_arn, session_name));
        let cache = Self { path };
        cache.remove();
        cache
    }

    fn remove(&self) {
        // Usually the file does not exist; if the home directory is read-only, it never did.
        let _ = fs::remove_file(&self.path);
    }
}

impl Drop for CliCache {
    fn drop(&mut self) {
        self.remove();
    }
}
