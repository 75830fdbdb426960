//! Errors of the configuration.

use thiserror::Error;

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

pub(super) fn value_error(setting: &str, why: &(impl ToString + ?Sized)) -> ConfigError {
    ConfigError::Value { setting: setting.to_owned(), why: why.to_string() }
}
