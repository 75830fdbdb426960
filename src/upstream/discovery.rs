//! Fetches an issuer's keys through its discovery document (OpenID Connect Discovery 1.0 §4).

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

/// The keys of an issuer could not be fetched or read.
#[derive(Debug, Error)]
pub enum DiscoveryError {
    #[error("could not fetch its discovery document")]
    Document(#[source] FetchError),
    #[error("its discovery document is not a JSON object: {0}")]
    NotAnObject(#[source] serde_json::Error),
    #[error("its discovery document names issuer `{found}`, but `{registered}` is registered")]
    Issuer { registered: String, found: String },
    #[error("its discovery document has no string `{0}`")]
    Member(&'static str),
    #[error("could not fetch its key set")]
    Keys(#[source] FetchError),
    #[error(transparent)]
    KeySet(#[from] KeySetError),
    #[error("fetching its keys was interrupted")]
    CutShort,
}

impl DiscoveryError {
    /// The error and its causes in one line, for the log or the caller who registered the issuer.
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

/// The keys of `issuer`, as it publishes them now. An uploaded key set never needs to be refreshed.
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

/// The certificates to pin for the issuer at `url`: of its own server, and of the server with its keys. This
/// trusts the servers that answer now; the caller who registers the issuer must know that they are the right
/// ones.
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

/// The `jwks_uri` of a document whose `issuer` is the registered one, byte for byte (§4.3).
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
