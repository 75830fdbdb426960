//! The HTTP face: requests become calls of flows, and their outcomes become answers.

pub mod access_tokens;
pub mod answer;
pub mod audience_profiles;
pub mod body;
pub mod cloud_settings;
pub mod connections;
pub mod contract;
pub mod credentials;
pub mod dev_tls;
pub mod discovery;
pub mod health;
pub mod id_token;
pub mod keys;
pub mod metrics;
pub mod oauth;
pub mod organizations;
mod panics;
pub mod path;
pub mod patience;
pub mod peer;
pub mod policies;
pub mod principals;
pub mod problem;
pub mod query;
pub mod router;
pub mod runs;
pub mod snapshot_verifiers;
pub mod tls;
pub mod trusted_issuers;
pub mod user;

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;

use crate::app::App;

/// What handlers share.
pub struct Api {
    pub app: Arc<App>,
    pub body_timeout: Duration,
    /// How long verifiers may keep discovery and key sets.
    pub cache_control: HeaderValue,
    /// Believe the last `X-Forwarded-For`: only a proxy can reach this process.
    pub behind_proxy: bool,
}
