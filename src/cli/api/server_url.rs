//! The URL of a server in one canonical form, by which saved logins are found.

use std::fmt;

use reqwest::Url;

use crate::cli::api::connection::is_safe;
use crate::cli::terminal::failure::Failure;

/// Without a slash at its end and without the default port; the host is in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct ServerUrl(String);

impl ServerUrl {
    /// The error does not repeat the text: people paste secrets where URLs belong.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, Failure> {
        let url = Url::parse(text.trim()).map_err(|error| {
            Failure::usage(format!(
                "the server's URL is not valid: {error} (example: https://id.example.com)"
            ))
        })?;
        let extra = url.query().is_some() || url.fragment().is_some();
        let user = !url.username().is_empty() || url.password().is_some();
        if extra || user || !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err(Failure::usage(
                "the server's URL is not valid: only https, a host and an optional path are allowed (example: https://id.example.com)",
            ));
        }
        if !is_safe(&url) {
            let host = url.host_str().unwrap_or("the URL");
            return Err(Failure::usage(format!(
                "could not use {host}: over http a token would travel unencrypted; use https"
            )));
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    pub(in crate::cli) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_has_one_url() {
        for same in [
            "https://id.example.com",
            "https://id.example.com/",
            "https://id.example.com//",
            "HTTPS://ID.Example.COM:443/",
            " https://id.example.com\n",
        ] {
            assert_eq!(ServerUrl::parse(same).unwrap().as_str(), "https://id.example.com", "{same}");
        }
        assert_eq!(ServerUrl::parse("http://localhost:80/a/").unwrap().as_str(), "http://localhost/a");
        for other in ["https://id.example.com:8443", "https://id.example.com/A", "https://id.example.com/a"] {
            assert_eq!(ServerUrl::parse(other).unwrap().as_str(), other);
        }
    }

    #[test]
    fn an_invalid_url_is_refused_and_not_repeated() {
        for bad in [
            "id.example.com",
            "ftp://id.example.com",
            "http://id.example.com",
            "https://rmat_secret@id.example.com",
            "https://id.example.com/?rmat_secret",
            "https://id.example.com/#rmat_secret",
            "rmat_secret",
            "",
        ] {
            let refused = ServerUrl::parse(bad).unwrap_err().to_string();
            assert!(!refused.contains("rmat_secret"), "{refused}");
        }
    }
}
