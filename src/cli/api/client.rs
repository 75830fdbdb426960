//! Talking to a server.

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::tls::TlsInfo;
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::cli::api::answer::Answer;
use crate::cli::api::connection::{http, is_safe, read, unreachable};
use crate::cli::api::refusal::refusal;
use crate::cli::terminal::environment::variable;
use crate::cli::terminal::failure::Failure;

/// Limits of an answer. A slower or larger one is not an answer to our requests.
#[derive(Clone, Copy)]
struct Bounds {
    timeout: Duration,
    answer_bytes: usize,
}

const OF_OUR_API: Bounds = Bounds { timeout: Duration::from_secs(30), answer_bytes: 4 * 1024 * 1024 };
/// Longer than clouds wait, to tell a slow server from a missing one.
const OF_EXAMINATION: Bounds = Bounds { timeout: Duration::from_secs(10), answer_bytes: 1024 * 1024 };
const OF_DISCOVERY: Bounds = Bounds { timeout: Duration::from_secs(5), answer_bytes: 1024 * 1024 };

/// A server and a credential for it.
pub(in crate::cli) struct Client {
    http: reqwest::Client,
    base: String,
    credential: Option<Zeroizing<String>>,
    bounds: Bounds,
}

impl Client {
    /// The server at `base`.
    pub(in crate::cli) fn at(base: &str, credential: Option<Zeroizing<String>>) -> Result<Self, Failure> {
        Self::new(base, credential, variable("RUNMINT_CA_FILE").as_deref().map(Path::new))
    }

    /// The request URL with which a platform gives its jobs tokens: short timeout, small answers.
    pub(in crate::cli) fn of_platform(url: &str, request_token: Zeroizing<String>) -> Result<Self, Failure> {
        let ca_file = variable("RUNMINT_CA_FILE");
        Self::bounded(url, Some(request_token), ca_file.as_deref().map(Path::new), OF_DISCOVERY)
    }

    /// The discovery document of an issuer that is not trusted: short timeout, small answers.
    pub(in crate::cli) fn of_discovery(issuer: &str) -> Result<Self, Failure> {
        let ca_file = variable("RUNMINT_CA_FILE");
        Self::bounded(issuer, None, ca_file.as_deref().map(Path::new), OF_DISCOVERY)
    }

    /// A server as a stranger without a credential sees it.
    pub(in crate::cli) fn of_examination(base: &str) -> Result<Self, Failure> {
        let ca_file = variable("RUNMINT_CA_FILE");
        Self::bounded(base, None, ca_file.as_deref().map(Path::new), OF_EXAMINATION)
    }

    /// The server at `base`; `ca_file` is trusted beside the system's authorities.
    pub(in crate::cli) fn new(
        base: &str,
        credential: Option<Zeroizing<String>>,
        ca_file: Option<&Path>,
    ) -> Result<Self, Failure> {
        Self::bounded(base, credential, ca_file, OF_OUR_API)
    }

    fn bounded(
        base: &str,
        credential: Option<Zeroizing<String>>,
        ca_file: Option<&Path>,
        bounds: Bounds,
    ) -> Result<Self, Failure> {
        let base = base.trim_end_matches('/').to_owned();
        let url = Url::parse(&base).map_err(|error| {
            Failure::usage(format!(
                "the server's URL is not valid: {error} (example: https://id.example.com)"
            ))
        })?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err(Failure::usage(
                "the server's URL is not valid: it must begin with https:// (http only on loopback), such as https://id.example.com",
            ));
        }
        if credential.is_some() && !is_safe(&url) {
            return Err(Failure::usage(format!(
                "could not send a token to {}: over http it would travel unencrypted; use https",
                url.host_str().unwrap_or("the URL")
            )));
        }
        if credential.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Failure::usage(
                "could not send the token: it contains a space, a line break or another character that tokens never have",
            ));
        }
        let http = http(ca_file, bounds.timeout, &url)?;
        Ok(Self { http, base, credential, bounds })
    }

    pub(in crate::cli) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, Failure> {
        self.send(Method::GET, path, None::<&()>).await
    }

    pub(in crate::cli) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Answer<T>, Failure> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// A POST whose path says everything.
    pub(in crate::cli) async fn post_empty<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Answer<T>, Failure> {
        self.send(Method::POST, path, None::<&()>).await
    }

    pub(in crate::cli) async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Answer<T>, Failure> {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(in crate::cli) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Answer<T>, Failure> {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(in crate::cli) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.accepted(Method::DELETE, path, None::<&()>).await.map(drop)
    }

    /// Gets `path` without a credential and returns the answer whatever its status.
    pub(in crate::cli) async fn look(&self, path: &str) -> Result<Seen, Failure> {
        let begun = Instant::now();
        let request = self.http.get(self.url(path)).send();
        let response = request.await.map_err(|error| unreachable(&error.without_url()))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let seen = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        let certificate = seen.map(<[u8]>::to_vec);
        let body = read(response, self.bounds.answer_bytes).await?;
        Ok(Seen { status, headers, body, certificate, took: begun.elapsed() })
    }

    /// The answer whatever its status, for callers that act on the status.
    pub(in crate::cli) async fn get_with_status(&self, path: &str) -> Result<(StatusCode, Vec<u8>), Failure> {
        self.exchange(Method::GET, path, None::<&()>).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Answer<T>, Failure> {
        let bytes = self.accepted(method.clone(), path, body).await?;
        let raw = serde_json::from_slice(&bytes).map_err(|_| "it is not JSON".to_owned());
        raw.and_then(Answer::read).map_err(|why| {
            let [path, base] = [path, &self.base].map(|url| url.split('?').next().unwrap_or_default());
            Failure::failed(format!(
                "the server's answer to {method} {path} is not what this version of runmint reads: {why}; \
                 check the URL {base} and the version of the server there"
            ))
        })
    }

    /// The body of an answer that is not a refusal.
    async fn accepted(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Vec<u8>, Failure> {
        let (status, bytes) = self.exchange(method, path, body).await?;
        if status.is_success() { Ok(bytes) } else { Err(Failure::failed(refusal(status, &bytes))) }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<(StatusCode, Vec<u8>), Failure> {
        let mut request = self.http.request(method, self.url(path));
        if let Some(credential) = &self.credential {
            request = request.bearer_auth(credential.as_str());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| unreachable(&error.without_url()))?;
        let status = response.status();
        Ok((status, read(response, self.bounds.answer_bytes).await?))
    }

    fn url(&self, path: &str) -> String {
        if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) }
    }
}

/// An answer from outside.
pub(in crate::cli) struct Seen {
    pub(in crate::cli) status: StatusCode,
    pub(in crate::cli) headers: HeaderMap,
    pub(in crate::cli) body: Vec<u8>,
    /// The server's, in DER; `None` over http.
    pub(in crate::cli) certificate: Option<Vec<u8>>,
    /// From the request to the end of the body.
    pub(in crate::cli) took: Duration,
}

/// `path` with `pairs` as its query, encoded.
pub(in crate::cli) fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    if pairs.is_empty() {
        return path.to_owned();
    }
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}{query}")
}
