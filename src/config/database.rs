//! Where the database is.

use super::error::{ConfigError, value_error};

pub(super) fn check_database_url(url: &str) -> Result<(), ConfigError> {
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

pub(super) fn has_password(url: &str) -> bool {
    url::Url::parse(url)
        .is_ok_and(|url| url.password().is_some() || url.query_pairs().any(|(k, _)| k == "password"))
}
