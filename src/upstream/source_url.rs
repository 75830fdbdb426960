//! A URL from which a document may be fetched.

use std::fmt;

use thiserror::Error;
use url::{Host, Url};

const MAX_URL_BYTES: usize = 2048;

/// An https URL with a host and without anything that hides its destination. Whether its addresses are
/// allowed is known only once they are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceUrl(Url);

#[derive(Debug, Error, PartialEq, Eq)]
pub enum SourceUrlError {
    #[error("it is not a URL: {0}")]
    NotAUrl(url::ParseError),
    #[error("it has {0} bytes; at most {MAX_URL_BYTES} are read")]
    TooLong(usize),
    #[error("it must begin with https://")]
    NotHttps,
    #[error("it must have no user name, password or fragment")]
    Extra,
    #[error("it must have no query")]
    Query,
}

/// Whether http is accepted. It is for tests and trials on loopback, where no attacker can listen in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlainHttp {
    #[default]
    Never,
    OnLoopback,
}

impl SourceUrl {
    pub fn parse(text: &str, plain_http: PlainHttp) -> Result<Self, SourceUrlError> {
        if text.len() > MAX_URL_BYTES {
            return Err(SourceUrlError::TooLong(text.len()));
        }
        let url = Url::parse(text).map_err(SourceUrlError::NotAUrl)?;
        match (url.scheme(), plain_http) {
            ("https", _) | ("http", PlainHttp::OnLoopback) => {}
            _ => return Err(SourceUrlError::NotHttps),
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(SourceUrlError::Extra);
        }
        Ok(Self(url))
    }

    /// The URL of an issuer's discovery document (OpenID Connect Discovery 1.0 §4). An issuer has no query
    /// (§3).
    pub fn of_discovery(issuer: &str, plain_http: PlainHttp) -> Result<Self, SourceUrlError> {
        if Self::parse(issuer, plain_http)?.0.query().is_some() {
            return Err(SourceUrlError::Query);
        }
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        Self::parse(&format!("{base}/.well-known/openid-configuration"), plain_http)
    }

    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    pub fn host(&self) -> Host<&str> {
        self.0.host().expect("http and https URLs have a host")
    }

    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().expect("http and https have a default port")
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discovery_is_below_the_issuer() {
        for (issuer, discovery) in [
            ("https://id.example", "https://id.example/.well-known/openid-configuration"),
            ("https://id.example/", "https://id.example/.well-known/openid-configuration"),
            ("https://id.example:8443/a/b", "https://id.example:8443/a/b/.well-known/openid-configuration"),
            ("https://id.example/a/", "https://id.example/a/.well-known/openid-configuration"),
        ] {
            assert_eq!(SourceUrl::of_discovery(issuer, PlainHttp::Never).unwrap().to_string(), discovery);
        }
    }

    #[test]
    fn only_https_and_nothing_that_hides_the_host() {
        use SourceUrlError::{Extra, NotHttps, Query};
        for (text, why) in [
            ("http://id.example", NotHttps),
            ("http://127.0.0.1", NotHttps),
            ("file:///etc/passwd", NotHttps),
            ("gopher://id.example", NotHttps),
            ("data:application/json,{}", NotHttps),
            ("https://a@id.example", Extra),
            ("https://id.example:b@evil.example", Extra),
            ("https://id.example#a", Extra),
            ("https://id.example?a", Query),
        ] {
            assert_eq!(SourceUrl::of_discovery(text, PlainHttp::Never), Err(why), "{text}");
        }
        for text in ["", "id.example", "/keys", "https://", "https://[::1", "https://a b"] {
            let refused = SourceUrl::parse(text, PlainHttp::OnLoopback);
            assert!(matches!(refused, Err(SourceUrlError::NotAUrl(_))), "{text}");
        }
        let long = format!("https://id.example/{}", "a".repeat(2048));
        assert!(matches!(SourceUrl::parse(&long, PlainHttp::Never), Err(SourceUrlError::TooLong(_))));
        SourceUrl::parse("http://127.0.0.1:1/", PlainHttp::OnLoopback).unwrap();
    }
}
