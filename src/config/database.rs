//! Where the database is.

use super::error::{ConfigError, value_error};

pub(super) fn check_database_url(url: &str) -> Result<(), ConfigError> {
    let why = match url.split_once(':') {
        Some(("sqlite", path)) => match path.strip_prefix("//").unwrap_or(path) {
            "" => "must name a file: sqlite:PATH",
            ":memory:" => "must name a file: a database in memory is lost when the process ends",
            path if path.contains('?') => "must not have parameters: sqlite:PATH",
            _ => return Ok(()),
        },
        Some(("postgres" | "postgresql", _)) => return Ok(()),
        _ => "must be sqlite:PATH or postgres://USER@HOST/DATABASE",
    };
    Err(value_error("database_url", why))
}

pub(super) fn has_password(url: &str) -> bool {
    url::Url::parse(url)
        .is_ok_and(|url| url.password().is_some() || url.query_pairs().any(|(k, _)| k == "password"))
}
