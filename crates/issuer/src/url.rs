//! The issuer identifier: `iss` in every token and the root of discovery.

use std::fmt;

use thiserror::Error;
use url::{Host, Url};

use crate::organization_name::OrganizationName;

/// AWS accepts at most 255 characters in a provider URL (IAM `CreateOpenIDConnectProvider`).
pub const MAX_ISSUER_CHARS: usize = 255;

/// An issuer URL that is fit to be compared byte for byte: https (http on loopback only), no query,
/// fragment, userinfo or trailing slash (OpenID Connect Discovery 1.0 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerUrl {
    text: String,
    path: String,
    host: String,
}

/// The URL cannot be an issuer. Each text continues a sentence that begins with the setting.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum IssuerUrlError {
    #[error("is not a URL: {0}")]
    NotAUrl(url::ParseError),
    #[error("must be https; http is accepted only on loopback (127.0.0.1, [::1] or localhost)")]
    NotHttps,
    #[error("must have no query, fragment, user name or password")]
    Extra,
    #[error("may have only letters, digits, `-`, `.`, `_` and `~` between the slashes of its path")]
    Path,
    #[error("must not end in a slash")]
    TrailingSlash,
    #[error("has {0} characters; AWS takes at most {MAX_ISSUER_CHARS}")]
    TooLong(usize),
    #[error("must be written the way clients compare it, byte for byte: `{0}`")]
    NotNormal(String),
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

impl IssuerUrl {
    /// Parses an issuer. Refuses every form that two verifiers could read differently (OpenID Connect Discovery 1.0
    /// §3 and §4.3 compare it byte for byte).
    pub fn parse(text: &str) -> Result<Self, IssuerUrlError> {
        let url = Url::parse(text).map_err(IssuerUrlError::NotAUrl)?;
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
            return Err(IssuerUrlError::NotHttps);
        }
        if url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err(IssuerUrlError::Extra);
        }
        if text.ends_with('/') {
            return Err(IssuerUrlError::TrailingSlash);
        }
        if text.chars().count() > MAX_ISSUER_CHARS {
            return Err(IssuerUrlError::TooLong(text.chars().count()));
        }
        let normal = url.as_str().trim_end_matches('/');
        if normal != text {
            return Err(IssuerUrlError::NotNormal(normal.to_owned()));
        }
        // The path becomes routes; every proxy on the way reads only plain segments alike.
        let path = url.path().trim_end_matches('/').to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
        if !path.chars().all(plain) || path.contains("//") {
            return Err(IssuerUrlError::Path);
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        Ok(Self { text: text.to_owned(), path, host })
    }

    /// Whether it is on this machine, where no other machine's verifier can reach it.
    pub fn is_loopback(&self) -> bool {
        Url::parse(&self.text).is_ok_and(|url| is_loopback(&url))
    }

    /// The value of `iss`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path, empty or starting with a slash, without one at the end.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The host name or address; an IPv6 address is in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The default base URL of the API: the issuer without a last segment `oidc`.
    pub fn default_base_url(&self) -> Self {
        match self.text.strip_suffix("/oidc") {
            Some(text) => Self {
                text: text.to_owned(),
                path: self.path.strip_suffix("/oidc").unwrap_or_default().to_owned(),
                host: self.host.clone(),
            },
            None => self.clone(),
        }
    }

    /// The issuer of one organization, below the base URL `self`.
    pub fn of_organization(&self, name: &OrganizationName) -> Self {
        let below = format!("/orgs/{name}/oidc");
        Self {
            text: format!("{}{below}", self.text),
            path: format!("{}{below}", self.path),
            host: self.host.clone(),
        }
    }

    /// Whether it names a port other than its scheme's default.
    pub fn has_port(&self) -> bool {
        Url::parse(&self.text).is_ok_and(|url| url.port().is_some())
    }

    /// Whether its scheme is https; otherwise it is http on loopback.
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https://")
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_clouds_accept() {
        for good in [
            "https://id.example.com/oidc",
            "https://id.example.com",
            "https://id.example.com:8443/a/b",
            "http://127.0.0.1:8080/oidc",
            "http://localhost:8080/oidc",
            "http://[::1]:8080/oidc",
        ] {
            assert_eq!(IssuerUrl::parse(good).map(|url| url.to_string()), Ok(good.to_owned()));
        }
    }

    #[test]
    fn refuses_every_form_that_two_verifiers_could_read_differently() {
        use IssuerUrlError::*;
        for (bad, why) in [
            ("http://id.example.com/oidc", NotHttps),
            ("ftp://127.0.0.1/oidc", NotHttps),
            ("https://id.example.com/oidc?x", Extra),
            ("https://id.example.com/oidc#x", Extra),
            ("https://me@id.example.com/oidc", Extra),
            ("https://id.example.com/a//b", Path),
            ("https://id.example.com/a%2Fb", Path),
            ("https://id.example.com/oidc/", TrailingSlash),
            ("https://ID.example.com/oidc", NotNormal("https://id.example.com/oidc".into())),
            ("https://id.example.com:443/oidc", NotNormal("https://id.example.com/oidc".into())),
            ("https://id.example.com/a/../oidc", NotNormal("https://id.example.com/oidc".into())),
        ] {
            assert_eq!(IssuerUrl::parse(bad), Err(why), "{bad}");
        }
        let long = format!("https://id.example.com/{}", "a".repeat(233));
        assert_eq!(long.len(), 256);
        assert_eq!(IssuerUrl::parse(&long), Err(TooLong(256)));
        assert!(matches!(IssuerUrl::parse("id.example.com"), Err(NotAUrl(_))));
    }

    #[test]
    fn the_api_lives_beside_the_oidc_segment() {
        let base = |text| IssuerUrl::parse(text).unwrap().default_base_url().to_string();
        assert_eq!(base("https://id.example.com/oidc"), "https://id.example.com");
        assert_eq!(base("https://example.com/runmint/oidc"), "https://example.com/runmint");
        assert_eq!(base("https://id.example.com/tokens"), "https://id.example.com/tokens");
    }
}
