//! Settings as written, before any check. A required field here has a default in the table of settings, which
//! is added before.

use std::path::PathBuf;

use indexmap::IndexMap;
use serde::Deserialize;

use super::duration::TextDuration;
use super::log::{LogFormat, LogLevel};
use crate::issuer::service::{ScopeRule, ServiceDefinition};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) issuer: Option<String>,
    pub(super) base_url: Option<String>,
    pub(super) listen: String,
    pub(super) database_url: String,
    pub(super) database_connections: i64,
    pub(super) sealing_key_file: PathBuf,
    #[serde(default)]
    pub(super) old_sealing_key_files: String,
    pub(super) rotate_every: TextDuration,
    pub(super) publish_ahead: TextDuration,
    pub(super) keep_published: Option<TextDuration>,
    pub(super) max_key_age: TextDuration,
    pub(super) serve_stale: TextDuration,
    pub(super) rsa_bits: i64,
    pub(super) key_store: String,
    pub(super) pkcs11_module: Option<PathBuf>,
    pub(super) pkcs11_token_label: Option<String>,
    pub(super) pkcs11_pin_file: Option<PathBuf>,
    pub(super) aws_kms_endpoint: Option<String>,
    pub(super) aws_kms_region: Option<String>,
    #[serde(default)]
    pub(super) publish_to: String,
    #[serde(default)]
    pub(super) trust_allowed_ranges: String,
    pub(super) trust_plain_http: bool,
    #[serde(default)]
    pub(super) algorithms: IndexMap<String, String>,
    pub(super) behind_tls_proxy: bool,
    pub(super) tls_certificate_file: Option<PathBuf>,
    pub(super) tls_private_key_file: Option<PathBuf>,
    pub(super) dev_tls: bool,
    pub(super) dev_tls_dir: PathBuf,
    pub(super) subject_prefix: String,
    pub(super) scope: ScopeRule,
    pub(super) token_lifetime: Option<TextDuration>,
    pub(super) token_lifetime_max: TextDuration,
    pub(super) run_ttl_max: TextDuration,
    pub(super) max_connections: i64,
    pub(super) header_timeout: TextDuration,
    pub(super) body_timeout: TextDuration,
    pub(super) request_timeout: TextDuration,
    pub(super) shutdown_timeout: TextDuration,
    pub(super) log_format: LogFormat,
    pub(super) log_level: LogLevel,
    #[serde(default)]
    pub(super) services: IndexMap<String, ServiceDefinition>,
}
