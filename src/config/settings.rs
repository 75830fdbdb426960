//! The configuration, checked.

use std::net::SocketAddr;

use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};

use super::bounds::{count, within};
use super::database::check_database_url;
use super::duration::TextDuration;
use super::error::{ConfigError, value_error};
use super::keys::{self, KeySecrets, KeySettings};
use super::log::{LogFormat, LogLevel};
use super::raw::Raw;
use super::setting::Setting;
use super::sources::Sources;
use super::transport::{self, Transport};
use super::trust::{self, TrustSettings};
use crate::issuer::lifetime::{LifetimePolicy, MIN_LIFETIME};
use crate::issuer::service::Services;
use crate::issuer::subject::check_prefix;
use crate::issuer::url::IssuerUrl;
use crate::signing::rotation::Timing;

/// The longest token lifetime that can be configured. Google refuses tokens older than a day.
const MAX_TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// The shortest deadline that a run may have.
pub const MIN_RUN_TTL: SignedDuration = SignedDuration::from_mins(1);
/// The longest deadline that can be configured.
const MAX_RUN_TTL: SignedDuration = SignedDuration::from_hours(24 * 30);
/// The deadline of a run that asks for none, unless the maximum is lower.
pub const DEFAULT_RUN_TTL: SignedDuration = SignedDuration::from_hours(1);

/// The configuration, checked.
#[derive(Clone)]
pub struct Settings {
    pub issuer: IssuerUrl,
    pub base_url: IssuerUrl,
    pub listen: SocketAddr,
    database_url: SecretString,
    pub database_connections: u32,
    pub keys: KeySettings,
    pub trust: TrustSettings,
    pub transport: Transport,
    pub services: Services,
    pub lifetime: LifetimePolicy,
    pub run_ttl_max: SignedDuration,
    pub limits: Limits,
    pub shutdown_timeout: SignedDuration,
    pub log_format: LogFormat,
    pub log_level: LogLevel,
}

/// Limits on the resources that clients use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub max_connections: u32,
    pub header_timeout: SignedDuration,
    pub body_timeout: SignedDuration,
    pub request_timeout: SignedDuration,
}

impl Settings {
    /// Reads and checks all settings. The error is one line that says where and why.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let (raw, secrets) = sources.read()?;
        check(raw, secrets)
    }

    /// For the database driver only: it may contain a password.
    pub fn exposed_database_url(&self) -> &str {
        self.database_url.expose_secret()
    }
}

fn check(raw: Raw, secrets: KeySecrets) -> Result<Settings, ConfigError> {
    let (issuer, base_url) = urls(&raw)?;
    let listen: SocketAddr = raw
        .listen
        .parse()
        .map_err(|_| value_error("listen", "must be ADDRESS:PORT, such as 127.0.0.1:8080"))?;
    check_database_url(&raw.database_url)?;
    let prefix = raw.subject_prefix.as_str();
    check_prefix(prefix).map_err(|error| value_error("subject_prefix", &error))?;
    let services = Services::new(prefix, raw.scope, &raw.services)
        .map_err(|(name, error)| value_error(&format!("services.{name}"), &error))?;
    let timing = keys::timing(secrets.time_scale.as_deref(), &issuer)?;
    let lifetime = lifetimes(&raw, timing)?;
    let run_ttl_max = within("run_ttl_max", raw.run_ttl_max, MIN_RUN_TTL, MAX_RUN_TTL)?;
    let limits = limits(&raw)?;
    Ok(Settings {
        transport: transport::check(&raw, listen)?,
        trust: trust::check(&raw)?,
        keys: keys::check(&raw, secrets, timing, lifetime.max)?,
        issuer,
        base_url,
        listen,
        database_connections: count("database_connections", raw.database_connections, 1, 1_000)?,
        database_url: raw.database_url.into(),
        services,
        lifetime,
        run_ttl_max,
        limits,
        shutdown_timeout: timeout("shutdown_timeout", raw.shutdown_timeout)?,
        log_format: raw.log_format,
        log_level: raw.log_level,
    })
}

/// The issuer and the base URL.
fn urls(raw: &Raw) -> Result<(IssuerUrl, IssuerUrl), ConfigError> {
    let issuer = raw.issuer.as_deref().ok_or_else(|| {
        value_error(
            "issuer",
            "is required: set the https URL that clouds will trust, such as https://id.example.com/oidc",
        )
    })?;
    let issuer = IssuerUrl::parse(issuer).map_err(|error| value_error("issuer", &error))?;
    let base_url = match raw.base_url.as_deref() {
        None => issuer.default_base_url(),
        Some(text) => IssuerUrl::parse(text).map_err(|error| value_error("base_url", &error))?,
    };
    Ok((issuer, base_url))
}

fn lifetimes(raw: &Raw, timing: Timing) -> Result<LifetimePolicy, ConfigError> {
    let min = timing.scaled(MIN_LIFETIME);
    let max = within("token_lifetime_max", raw.token_lifetime_max, min, MAX_TOKEN_LIFETIME)?;
    let usual = TextDuration(max.min(Setting::shown_duration("token_lifetime")));
    let default = within("token_lifetime", raw.token_lifetime.unwrap_or(usual), min, max)?;
    Ok(LifetimePolicy { default, max })
}

fn limits(raw: &Raw) -> Result<Limits, ConfigError> {
    Ok(Limits {
        max_connections: count("max_connections", raw.max_connections, 1, 1_000_000)?,
        header_timeout: timeout("header_timeout", raw.header_timeout)?,
        body_timeout: timeout("body_timeout", raw.body_timeout)?,
        request_timeout: timeout("request_timeout", raw.request_timeout)?,
    })
}

fn timeout(setting: &str, found: TextDuration) -> Result<SignedDuration, ConfigError> {
    within(setting, found, SignedDuration::from_secs(1), SignedDuration::from_mins(10))
}
