//! From an issuer's URL to its keys (OpenID Connect Discovery 1.0 §4).

use std::error::Error;
use std::time::Duration;

use runmint_json::object_of;
use serde_json::{Map, Value};
use thiserror::Error;

use super::fetch::{FetchError, Fetcher};
use super::registered_issuer::{KeySource, RegisteredIssuer};
use super::source_url::SourceUrl;
use super::thumbprint::Thumbprint;
use crate::trust::token::{KeySet, KeySetError};

/// Why there are no keys of an issuer.
#[derive(Debug, Error)]
pub enum DiscoveryError {
    #[error("its discovery document cannot be fetched")]
    Document(#[source] FetchError),
    #[error("its discovery document is no JSON object: {0}")]
    NotAnObject(#[source] serde_json::Error),
    #[error("its discovery document is of `{found}`, registered is `{registered}`")]
    Issuer { registered: String, found: String },
    #[error("its discovery document has no `{0}`, or not as a string")]
    Member(&'static str),
    #[error("its key set cannot be fetched")]
    Keys(#[source] FetchError),
    #[error(transparent)]
    KeySet(#[from] KeySetError),
    #[error("asking it was cut short")]
    CutShort,
}

impl DiscoveryError {
    /// In one line, for a log or for whoever registered the issuer.
    pub fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        text
    }
}

#[derive(Debug)]
pub struct DiscoveredKeys {
    pub keys: KeySet,
    pub fresh_for: Duration,
}

/// The keys of `issuer`, as it publishes them now. Static keys are read as they are, and stay.
pub async fn discover(
    fetcher: &Fetcher,
    issuer: &RegisteredIssuer,
) -> Result<DiscoveredKeys, DiscoveryError> {
    let pins = match &issuer.keys {
        KeySource::Discovered { pins } => pins,
        KeySource::Static { jwks } => {
            return Ok(DiscoveredKeys { keys: KeySet::parse(jwks.as_bytes())?, fresh_for: Duration::MAX });
        }
    };
    let (deadline, plain_http) = (fetcher.deadline(), fetcher.settings().plain_http);
    let url = SourceUrl::of_discovery(&issuer.url, plain_http)
        .map_err(|error| DiscoveryError::Document(error.into()))?;
    let document = fetcher.fetch(&url, pins, deadline).await.map_err(DiscoveryError::Document)?;
    let jwks_uri = jwks_uri(&document.body, &issuer.url)?;
    let url = SourceUrl::parse(&jwks_uri, plain_http).map_err(|error| DiscoveryError::Keys(error.into()))?;
    let keys = fetcher.fetch(&url, pins, deadline).await.map_err(DiscoveryError::Keys)?;
    Ok(DiscoveredKeys { keys: KeySet::parse(&keys.body)?, fresh_for: keys.fresh_for })
}

/// The certificates that pins for the issuer at `url` would be of: its own server's, and that of its keys. This
/// trusts the servers that are there now; whoever registers an issuer must know that these are the right ones.
pub async fn presented_thumbprints(fetcher: &Fetcher, url: &str) -> Result<Vec<Thumbprint>, DiscoveryError> {
    let plain_http = fetcher.settings().plain_http;
    let discovery =
        SourceUrl::of_discovery(url, plain_http).map_err(|error| DiscoveryError::Document(error.into()))?;
    let leaf = fetcher.leaf_thumbprint(&discovery).await.map_err(DiscoveryError::Document)?;
    let document = fetcher.fetch(&discovery, &[leaf], fetcher.deadline()).await;
    let jwks_uri = jwks_uri(&document.map_err(DiscoveryError::Document)?.body, url)?;
    let keys = SourceUrl::parse(&jwks_uri, plain_http).map_err(|error| DiscoveryError::Keys(error.into()))?;
    let other = fetcher.leaf_thumbprint(&keys).await.map_err(DiscoveryError::Keys)?;
    Ok(if other == leaf { vec![leaf] } else { vec![leaf, other] })
}

/// Where the keys are, in a document that is the issuer's own, byte for byte (§4.3).
fn jwks_uri(document: &[u8], registered: &str) -> Result<String, DiscoveryError> {
    let document = object_of(document).map_err(DiscoveryError::NotAnObject)?;
    let found = member(&document, "issuer")?;
    if found != registered {
        let found = found.chars().take(200).flat_map(char::escape_debug).collect();
        return Err(DiscoveryError::Issuer { registered: registered.to_owned(), found });
    }
    member(&document, "jwks_uri").map(str::to_owned)
}

fn member<'d>(document: &'d Map<String, Value>, name: &'static str) -> Result<&'d str, DiscoveryError> {
    document.get(name).and_then(Value::as_str).ok_or(DiscoveryError::Member(name))
}
