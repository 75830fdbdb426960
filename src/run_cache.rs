//! Runs that asked for tokens lately.

use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::domain::run::Run;
use crate::opaque_token::TokenHash;

/// About two kilobytes each.
const RUNS_CACHED: usize = 20_000;

/// The unchanging parts of runs, by request token. Whether a run is still active is never taken from here: the commit
/// of each token's record reads it.
pub struct RunCache(Cache<TokenHash, Arc<Run>>);

impl Default for RunCache {
    fn default() -> Self {
        Self(Cache::new(RUNS_CACHED))
    }
}

impl RunCache {
    pub fn of_request_token(&self, hash: &TokenHash) -> Option<Arc<Run>> {
        self.0.get(hash)
    }

    pub fn keep(&self, hash: TokenHash, run: Arc<Run>) {
        self.0.insert(hash, run);
    }
}
