use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

/// A cloud's view of an issuer: from outside, over HTTPS, without a cache.
///
/// The clouds do not document their caching; AWS was observed to notice every change within two seconds.
pub(crate) struct Outside {
    http: reqwest::Client,
    fetches: AtomicUsize,
}

/// The documents that an issuer publishes.
pub(crate) struct Published {
    pub(crate) issuer: String,
    pub(crate) keys: Vec<Value>,
}

/// Why the documents could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// No answer, too late, not status 200, or not over a trusted connection.
    Connection,
    /// A member required by OpenID Connect Discovery is missing.
    Discovery,
    KeySet,
}

/// AWS gives an issuer five seconds.
const PATIENCE: Duration = Duration::from_secs(5);

impl Outside {
    /// Trusts only certificates signed by `authorities` (PEM).
    pub(crate) fn trusting(authorities: &str) -> Self {
        let authorities = reqwest::Certificate::from_pem_bundle(authorities.as_bytes()).unwrap();
        let http = reqwest::Client::builder()
            .tls_certs_only(authorities)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .no_proxy()
            .build()
            .unwrap();
        Self { http, fetches: AtomicUsize::new(0) }
    }

    pub(crate) async fn look_at(&self, issuer: &str) -> Result<Published, Unreadable> {
        let discovery = self.json(&format!("{issuer}/.well-known/openid-configuration")).await?;
        let required = [
            "issuer",
            "jwks_uri",
            "response_types_supported",
            "subject_types_supported",
            "id_token_signing_alg_values_supported",
        ];
        if required.iter().any(|member| discovery[member].is_null()) {
            return Err(Unreadable::Discovery);
        }
        let key_set = self.json(discovery["jwks_uri"].as_str().ok_or(Unreadable::Discovery)?).await?;
        let keys = key_set["keys"].as_array().ok_or(Unreadable::KeySet)?.clone();
        Ok(Published { issuer: discovery["issuer"].as_str().unwrap_or_default().to_owned(), keys })
    }

    /// The number of documents requested.
    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    async fn json(&self, url: &str) -> Result<Value, Unreadable> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let answer = self.http.get(url).send().await.map_err(|_| Unreadable::Connection)?;
        if answer.status() != 200 {
            return Err(Unreadable::Connection);
        }
        let body = answer.bytes().await.map_err(|_| Unreadable::Connection)?;
        serde_json::from_slice(&body).map_err(|_| Unreadable::KeySet)
    }
}
