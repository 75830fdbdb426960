//! The configuration: a TOML file, over it `RUNMINT_*`, over that flags. What is unknown or makes no
//! sense stops the start with one line that says where and why.

pub mod duration;
pub mod keys;
pub mod setting;
pub mod trust;

use std::net::SocketAddr;
use std::path::PathBuf;

use indexmap::IndexMap;
use jiff::SignedDuration;
use serde::Deserialize;
use thiserror::Error;

use self::duration::TextDuration;
use self::keys::{KeySecrets, KeySettings};
use self::setting::{SETTINGS, Setting};
use self::trust::TrustSettings;
use crate::issuer::lifetime::{LifetimePolicy, MIN_LIFETIME};
use crate::issuer::service::{ScopeRule, ServiceDefinition, Services};
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Plain HTTP: on loopback, or to a proxy that speaks TLS to the world and is believed about the
    /// caller's address.
    Plain {
        behind_proxy: bool,
    },
    Tls {
        certificate: PathBuf,
        private_key: PathBuf,
    },
    /// A local certificate authority, made at the first start.
    DevTls {
        folder: PathBuf,
    },
}

/// Bounds on what clients may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub max_connections: u32,
    pub header_timeout: SignedDuration,
    pub body_timeout: SignedDuration,
    pub request_timeout: SignedDuration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    #[error("{path}: {why}")]
    File { path: String, why: String },
    #[error("{origin}: unknown setting{hint}", hint = suggestion.as_ref().map(|name| format!("; did you mean {name}?")).unwrap_or_default())]
    Unknown { origin: String, suggestion: Option<String> },
    #[error("{origin}: expected {expected}, found `{found}`")]
    Kind { origin: String, expected: &'static str, found: String },
    #[error("{setting}: {why}")]
    Value { setting: String, why: String },
}

/// Where settings come from, gathered before any is read.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file's name and text.
    pub file: Option<(String, String)>,
    /// `RUNMINT_*` variables, and those of object stores.
    pub environment: Vec<(String, String)>,
    /// Flags, by setting name.
    pub flags: Vec<(String, String)>,
}

impl Sources {
    /// Whether any of them says something about this setting.
    pub fn mention(&self, setting: &Setting) -> bool {
        let variable = setting.variable();
        self.flags.iter().any(|(name, _)| name == setting.name)
            || self.environment.iter().any(|(name, _)| *name == variable)
            || file_table(self).is_ok_and(|table| table.contains_key(setting.name))
    }
}

/// Names in the environment that begin like settings and are none.
const OTHER_VARIABLES: &[&str] = &[
    "RUNMINT_URL",
    "RUNMINT_ACCESS_TOKEN",
    "RUNMINT_ACCESS_TOKEN_FILE",
    "RUNMINT_CA_FILE",
    "RUNMINT_HOME",
    "RUNMINT_OIDC_TOKEN",
    "RUNMINT_CONFIG",
    "RUNMINT_OUTPUT",
    "RUNMINT_RUN_ID",
    "RUNMINT_CLOUD_SETTINGS",
    "RUNMINT_GOOGLE_STS_URL",
    "RUNMINT_GOOGLE_IAM_CREDENTIALS_URL",
    "RUNMINT_ID_TOKEN_REQUEST_URL",
    "RUNMINT_ID_TOKEN_REQUEST_TOKEN",
];
const SEALING_KEY_VARIABLE: &str = "RUNMINT_SEALING_KEY";
const OLD_SEALING_KEYS_VARIABLE: &str = "RUNMINT_OLD_SEALING_KEYS";
const PKCS11_PIN_VARIABLE: &str = "RUNMINT_PKCS11_PIN";
/// For tests that live through months in seconds: all floors, leases and the max-age of the key set take
/// this part of their time. Never in service.
const TIME_SCALE_VARIABLE: &str = "RUNMINT_TEST_TIME_SCALE";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    issuer: Option<String>,
    base_url: Option<String>,
    #[serde(default = "default_listen")]
    listen: String,
    #[serde(default = "default_database_url")]
    database_url: String,
    #[serde(default = "default_database_connections")]
    database_connections: i64,
    #[serde(default = "default_sealing_key_file")]
    sealing_key_file: PathBuf,
    #[serde(default)]
    old_sealing_key_files: String,
    #[serde(default = "hours::<{ 24 * 30 }>")]
    rotate_every: TextDuration,
    #[serde(default = "hours::<24>")]
    publish_ahead: TextDuration,
    keep_published: Option<TextDuration>,
    #[serde(default = "hours::<{ 24 * 90 }>")]
    max_key_age: TextDuration,
    #[serde(default = "hours::<12>")]
    serve_stale: TextDuration,
    #[serde(default = "default_rsa_bits")]
    rsa_bits: i64,
    #[serde(default = "default_key_store")]
    key_store: String,
    pkcs11_module: Option<PathBuf>,
    pkcs11_token_label: Option<String>,
    pkcs11_pin_file: Option<PathBuf>,
    aws_kms_endpoint: Option<String>,
    aws_kms_region: Option<String>,
    #[serde(default)]
    publish_to: String,
    #[serde(default)]
    trust_allowed_ranges: String,
    #[serde(default)]
    trust_plain_http: bool,
    #[serde(default)]
    algorithms: IndexMap<String, String>,
    #[serde(default)]
    behind_tls_proxy: bool,
    tls_certificate_file: Option<PathBuf>,
    tls_private_key_file: Option<PathBuf>,
    #[serde(default)]
    dev_tls: bool,
    #[serde(default = "default_dev_tls_dir")]
    dev_tls_dir: PathBuf,
    #[serde(default = "default_subject_prefix")]
    subject_prefix: String,
    #[serde(default)]
    scope: ScopeRule,
    token_lifetime: Option<TextDuration>,
    #[serde(default = "hours::<1>")]
    token_lifetime_max: TextDuration,
    #[serde(default = "hours::<24>")]
    run_ttl_max: TextDuration,
    #[serde(default = "default_max_connections")]
    max_connections: i64,
    #[serde(default = "seconds::<10>")]
    header_timeout: TextDuration,
    #[serde(default = "seconds::<10>")]
    body_timeout: TextDuration,
    #[serde(default = "seconds::<30>")]
    request_timeout: TextDuration,
    #[serde(default = "seconds::<25>")]
    shutdown_timeout: TextDuration,
    #[serde(default)]
    log_format: LogFormat,
    #[serde(default)]
    log_level: LogLevel,
    #[serde(default)]
    services: IndexMap<String, ServiceDefinition>,
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

impl Settings {
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut table = file_table(sources)?;
        let mut secrets = KeySecrets::default();
        for (variable, value) in &sources.environment {
            let secret = || Some(zeroize::Zeroizing::new(value.clone()));
            if !variable.starts_with("RUNMINT_") {
                secrets.of_object_stores.push((variable.clone(), value.clone()));
            } else if variable == SEALING_KEY_VARIABLE {
                secrets.sealing_key = secret();
            } else if variable == OLD_SEALING_KEYS_VARIABLE {
                secrets.old_sealing_keys = secret();
            } else if variable == PKCS11_PIN_VARIABLE {
                secrets.pkcs11_pin = secret();
            } else if variable == TIME_SCALE_VARIABLE {
                secrets.time_scale = Some(value.clone());
            } else if let Some(setting) = SETTINGS.iter().find(|setting| setting.variable() == *variable) {
                table.insert(setting.name.into(), alone(setting, variable, value)?);
            } else if !OTHER_VARIABLES.contains(&variable.as_str()) && !variable.starts_with("RUNMINT_TEST_")
            {
                let suggestion = Setting::closest(&variable.to_lowercase().replacen("runmint_", "", 1));
                let suggestion = suggestion.map(Setting::variable);
                return Err(ConfigError::Unknown { origin: variable.clone(), suggestion });
            }
        }
        for (name, value) in &sources.flags {
            let Some(setting) = SETTINGS.iter().find(|setting| setting.name == *name) else { continue };
            if name == "database_url" && has_password(value) {
                let why = "a password on the command line can be read by every user of the machine; use RUNMINT_DATABASE_URL or the configuration file";
                return Err(value_error("--database-url", why));
            }
            table.insert(setting.name.into(), alone(setting, &setting.flag(), value)?);
        }
        let file = sources.file.as_ref().map_or("configuration", |(name, _)| name);
        let raw: Raw = table.try_into().map_err(|error: toml::de::Error| ConfigError::File {
            path: file.to_owned(),
            why: one_line(&error),
        })?;
        check(raw, secrets)
    }
}

/// The value of one variable or flag, tried by itself: so that the error names where it comes from.
fn alone(setting: &Setting, origin: &str, text: &str) -> Result<toml::Value, ConfigError> {
    let value = setting.parse(origin, text)?;
    let table = toml::Table::from_iter([(setting.name.to_owned(), value.clone())]);
    match table.try_into::<Raw>() {
        Ok(_) => Ok(value),
        Err(error) => Err(value_error(origin, &error.message().replace('\n', " "))),
    }
}

fn file_table(sources: &Sources) -> Result<toml::Table, ConfigError> {
    let Some((path, text)) = &sources.file else { return Ok(toml::Table::new()) };
    let table: toml::Table = toml::from_str(text)
        .map_err(|error| ConfigError::File { path: path.clone(), why: without_quoting(&error, text) })?;
    for name in table.keys() {
        if !["services", "algorithms"].contains(&name.as_str())
            && !SETTINGS.iter().any(|setting| setting.name == name)
        {
            let suggestion = Setting::closest(name).map(|setting| setting.name.to_owned());
            return Err(ConfigError::Unknown { origin: format!("{path}: {name}"), suggestion });
        }
    }
    Ok(table)
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
    let default_lifetime = TextDuration(token_lifetime_max.min(SignedDuration::from_hours(1)));
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
        transport: transport(&raw, listen)?,
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

fn check_database_url(url: &str) -> Result<(), ConfigError> {
    let why = match url.split_once(':') {
        Some(("sqlite", path)) => match path.strip_prefix("//").unwrap_or(path) {
            "" => "names no file: sqlite:PATH",
            ":memory:" => "must name a file: what is only in memory is gone with the process",
            path if path.contains('?') => "takes no parameters: sqlite:PATH",
            _ => return Ok(()),
        },
        Some(("postgres" | "postgresql", _)) => return Ok(()),
        _ => "must be sqlite:PATH or postgres://USER@HOST/DATABASE",
    };
    Err(value_error("database_url", why))
}

fn transport(raw: &Raw, listen: SocketAddr) -> Result<Transport, ConfigError> {
    let files = (raw.tls_certificate_file.clone(), raw.tls_private_key_file.clone());
    match (files, raw.dev_tls, raw.behind_tls_proxy) {
        ((Some(certificate), Some(private_key)), false, false) => {
            Ok(Transport::Tls { certificate, private_key })
        }
        ((None, None), true, false) => Ok(Transport::DevTls { folder: raw.dev_tls_dir.clone() }),
        ((None, None), false, true) => Ok(Transport::Plain { behind_proxy: true }),
        ((None, None), false, false) if listen.ip().is_loopback() => {
            Ok(Transport::Plain { behind_proxy: false })
        }
        ((None, None), false, false) => Err(value_error(
            "listen",
            "is not loopback, so tokens would travel in the clear: set tls_certificate_file and tls_private_key_file, or behind_tls_proxy when a proxy speaks TLS",
        )),
        ((Some(_), None) | (None, Some(_)), ..) => Err(value_error(
            "tls_certificate_file",
            "and tls_private_key_file belong together: set both or neither",
        )),
        _ => Err(value_error(
            "tls_certificate_file",
            "dev_tls and behind_tls_proxy exclude each other: set one",
        )),
    }
}

fn within(
    setting: &str,
    TextDuration(found): TextDuration,
    min: SignedDuration,
    max: SignedDuration,
) -> Result<SignedDuration, ConfigError> {
    if (min..=max).contains(&found) {
        return Ok(found);
    }
    let why =
        format!("is between {} and {}, not {}", TextDuration(min), TextDuration(max), TextDuration(found));
    Err(value_error(setting, &why))
}

fn count(setting: &str, found: i64, min: u32, max: u32) -> Result<u32, ConfigError> {
    match u32::try_from(found) {
        Ok(count) if (min..=max).contains(&count) => Ok(count),
        _ => Err(value_error(setting, &format!("is between {min} and {max}, not {found}"))),
    }
}

fn has_password(url: &str) -> bool {
    url::Url::parse(url)
        .is_ok_and(|url| url.password().is_some() || url.query_pairs().any(|(k, _)| k == "password"))
}

fn value_error(setting: &str, why: &(impl ToString + ?Sized)) -> ConfigError {
    ConfigError::Value { setting: setting.to_owned(), why: why.to_string() }
}

/// Where and why, but not the line itself, which may hold a password.
fn without_quoting(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map(|before| format!("line {}: ", before.matches('\n').count() + 1));
    line.unwrap_or_default() + &error.message().replace('\n', " ")
}

fn one_line(error: &toml::de::Error) -> String {
    error.to_string().lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
