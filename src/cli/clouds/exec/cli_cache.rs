//! The session that the AWS CLI keeps in its user's home, where it would outlive the run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::clouds::handover::aws::cli_cache_file;
use crate::clouds::settings::{AwsSettings, RoleSessionName};

/// Removed when dropped.
pub(super) struct CliCache {
    path: PathBuf,
}

impl CliCache {
    /// A session of an earlier run under the same name would be used instead of this one's, and is removed at once.
    pub(super) fn of(home: &Path, settings: &AwsSettings, session_name: &RoleSessionName) -> Self {
        let path = home.join(".aws/cli/cache").join(cli_cache_file(&settings.role_arn, session_name));
        let cache = Self { path };
        cache.remove();
        cache
    }

    fn remove(&self) {
        // Mostly there is none, and whose home cannot be written had none.
        let _ = fs::remove_file(&self.path);
    }
}

impl Drop for CliCache {
    fn drop(&mut self) {
        self.remove();
    }
}
