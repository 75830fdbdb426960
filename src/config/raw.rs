//! Settings as they are written, before anything is checked.

use std::path::PathBuf;

use indexmap::IndexMap;
use jiff::SignedDuration;
use serde::Deserialize;

use super::duration::TextDuration;
use super::log::{LogFormat, LogLevel};
use crate::issuer::service::{ScopeRule, ServiceDefinition};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) issuer: Option<String>,
    pub(super) base_url: Option<String>,
    #[serde(default = "default_listen")]
    pub(super) listen: String,
    #[serde(default = "default_database_url")]
    pub(super) database_url: String,
    #[serde(default = "default_database_connections")]
    pub(super) database_connections: i64,
    #[serde(default = "default_sealing_key_file")]
    pub(super) sealing_key_file: PathBuf,
    #[serde(default)]
    pub(super) old_sealing_key_files: String,
    #[serde(default = "hours::<{ 24 * 30 }>")]
    pub(super) rotate_every: TextDuration,
    #[serde(default = "hours::<24>")]
    pub(super) publish_ahead: TextDuration,
    pub(super) keep_published: Option<TextDuration>,
    #[serde(default = "hours::<{ 24 * 90 }>")]
    pub(super) max_key_age: TextDuration,
    #[serde(default = "hours::<12>")]
    pub(super) serve_stale: TextDuration,
    #[serde(default = "default_rsa_bits")]
    pub(super) rsa_bits: i64,
    #[serde(default = "default_key_store")]
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
    #[serde(default)]
    pub(super) trust_plain_http: bool,
    #[serde(default)]
    pub(super) algorithms: IndexMap<String, String>,
    #[serde(default)]
    pub(super) behind_tls_proxy: bool,
    pub(super) tls_certificate_file: Option<PathBuf>,
    pub(super) tls_private_key_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) dev_tls: bool,
    #[serde(default = "default_dev_tls_dir")]
    pub(super) dev_tls_dir: PathBuf,
    #[serde(default = "default_subject_prefix")]
    pub(super) subject_prefix: String,
    #[serde(default)]
    pub(super) scope: ScopeRule,
    pub(super) token_lifetime: Option<TextDuration>,
    #[serde(default = "hours::<1>")]
    pub(super) token_lifetime_max: TextDuration,
    #[serde(default = "hours::<24>")]
    pub(super) run_ttl_max: TextDuration,
    #[serde(default = "default_max_connections")]
    pub(super) max_connections: i64,
    #[serde(default = "seconds::<10>")]
    pub(super) header_timeout: TextDuration,
    #[serde(default = "seconds::<10>")]
    pub(super) body_timeout: TextDuration,
    #[serde(default = "seconds::<30>")]
    pub(super) request_timeout: TextDuration,
    #[serde(default = "seconds::<25>")]
    pub(super) shutdown_timeout: TextDuration,
    #[serde(default)]
    pub(super) log_format: LogFormat,
    #[serde(default)]
    pub(super) log_level: LogLevel,
    #[serde(default)]
    pub(super) services: IndexMap<String, ServiceDefinition>,
}

fn default_listen() -> String {
    "127.0.0.1:8080".into()
}
fn default_database_url() -> String {
    "sqlite:data/runmint.db".into()
}
fn default_database_connections() -> i64 {
    8
}
fn default_sealing_key_file() -> PathBuf {
    "keys/sealing.key".into()
}
fn default_rsa_bits() -> i64 {
    2048
}
fn default_key_store() -> String {
    "database".into()
}
fn default_dev_tls_dir() -> PathBuf {
    "data/tls".into()
}
fn default_subject_prefix() -> String {
    "runmint".into()
}
fn default_max_connections() -> i64 {
    4096
}
fn hours<const N: i64>() -> TextDuration {
    TextDuration(SignedDuration::from_hours(N))
}
fn seconds<const N: i64>() -> TextDuration {
    TextDuration(SignedDuration::from_secs(N))
}
