//! The configuration, checked.

use std::net::SocketAddr;

use jiff::SignedDuration;

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

/// The longest life that any token may be configured to have. Google refuses tokens older than a day.
const MAX_TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// The shortest deadline that a run may have.
pub const MIN_RUN_TTL: SignedDuration = SignedDuration::from_mins(1);
/// What a run gets when it asks for no deadline of its own, unless the maximum is lower.
pub const DEFAULT_RUN_TTL: SignedDuration = SignedDuration::from_hours(1);

/// The configuration, checked. No `Debug`: the database URL may hold a password.
#[derive(Clone)]
pub struct Settings {
    pub issuer: IssuerUrl,
    pub base_url: IssuerUrl,
    pub listen: SocketAddr,
    pub database_url: String,
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

/// Bounds on what clients may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub max_connections: u32,
    pub header_timeout: SignedDuration,
    pub body_timeout: SignedDuration,
    pub request_timeout: SignedDuration,
}

impl Settings {
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let (raw, secrets) = sources.read()?;
        check(raw, secrets)
    }
}

fn check(raw: Raw, secrets: KeySecrets) -> Result<Settings, ConfigError> {
    let issuer = raw.issuer.as_deref().ok_or_else(|| {
        value_error(
            "issuer",
            "is required: the https URL that clouds will trust, such as https://id.example.com/oidc",
        )
    })?;
    let issuer = IssuerUrl::parse(issuer).map_err(|error| value_error("issuer", &error))?;
    let base_url = match raw.base_url.as_deref() {
        None => issuer.default_base_url(),
        Some(text) => IssuerUrl::parse(text).map_err(|error| value_error("base_url", &error))?,
    };
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
    let min_lifetime = timing.scaled(MIN_LIFETIME);
    let token_lifetime_max =
        within("token_lifetime_max", raw.token_lifetime_max, min_lifetime, MAX_TOKEN_LIFETIME)?;
    let default_lifetime = TextDuration(token_lifetime_max.min(Setting::shown_duration("token_lifetime")));
    let token_lifetime = raw.token_lifetime.unwrap_or(default_lifetime);
    let token_lifetime = within("token_lifetime", token_lifetime, min_lifetime, token_lifetime_max)?;
    let run_ttl_max =
        within("run_ttl_max", raw.run_ttl_max, MIN_RUN_TTL, SignedDuration::from_hours(24 * 30))?;
    let second = SignedDuration::from_secs(1);
    let limits = Limits {
        max_connections: count("max_connections", raw.max_connections, 1, 1_000_000)?,
        header_timeout: within("header_timeout", raw.header_timeout, second, SignedDuration::from_mins(10))?,
        body_timeout: within("body_timeout", raw.body_timeout, second, SignedDuration::from_mins(10))?,
        request_timeout: within(
            "request_timeout",
            raw.request_timeout,
            second,
            SignedDuration::from_mins(10),
        )?,
    };
    Ok(Settings {
        transport: transport::check(&raw, listen)?,
        trust: trust::check(&raw)?,
        keys: keys::check(&raw, secrets, timing, token_lifetime_max)?,
        issuer,
        base_url,
        listen,
        database_connections: count("database_connections", raw.database_connections, 1, 1_000)?,
        database_url: raw.database_url,
        services,
        lifetime: LifetimePolicy { default: token_lifetime, max: token_lifetime_max },
        run_ttl_max,
        limits,
        shutdown_timeout: within(
            "shutdown_timeout",
            raw.shutdown_timeout,
            second,
            SignedDuration::from_mins(10),
        )?,
        log_format: raw.log_format,
        log_level: raw.log_level,
    })
}
