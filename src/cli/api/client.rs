//! Talking to a server.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::tls::TlsInfo;
use reqwest::{Certificate, Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::cli::api::answer::Answer;
use crate::cli::terminal::environment::variable;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::safe;

/// What takes longer or is larger is nothing that this program asked for.
#[derive(Clone, Copy)]
struct Bounds {
    timeout: Duration,
    answer_bytes: usize,
}

const OF_OUR_API: Bounds = Bounds { timeout: Duration::from_secs(30), answer_bytes: 4 * 1024 * 1024 };
/// Longer than clouds wait, to tell what is slow from what is not there.
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
        let url = Url::parse(&base)
            .map_err(|error| Failure::usage(format!("the server's URL is none: {error}")))?;
        if credential.is_some() && !is_safe(&url) {
            return Err(Failure::usage(format!(
                "{} is not https: a token would travel in the clear",
                url.host_str().unwrap_or("the URL")
            )));
        }
        if credential.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Failure::usage(
                "the token has a blank, a line break or another character that no token has",
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

    /// The answer as it is, for callers to whom the status says what to do next.
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
    /// Of the server, in DER; none over plain http.
    pub(in crate::cli) certificate: Option<Vec<u8>>,
    /// Until the whole body was there.
    pub(in crate::cli) took: Duration,
}

/// `path` with a query of `pairs`, whatever is in them.
pub(in crate::cli) fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    if pairs.is_empty() {
        return path.to_owned();
    }
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}{query}")
}

/// Whether a token may travel there.
pub(in crate::cli) fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || is_loopback(url)
}

pub(in crate::cli) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

pub(in crate::cli) fn http(
    ca_file: Option<&Path>,
    timeout: Duration,
    url: &Url,
) -> Result<reqwest::Client, Failure> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("runmint/", env!("CARGO_PKG_VERSION")))
        // A redirect would carry the credential to whoever it names.
        .redirect(Policy::none())
        .tls_info(true)
        .timeout(timeout);
    if is_loopback(url) {
        // Over a proxy, what may go unencrypted only because it stays here would leave the machine.
        builder = builder.no_proxy();
    }
    if let Some(path) = ca_file {
        let fault =
            |error: &dyn Error| Failure::usage(format!("RUNMINT_CA_FILE {}: {error}", path.display()));
        let pem = std::fs::read(path).map_err(|error| fault(&error))?;
        let roots = Certificate::from_pem_bundle(&pem).map_err(|error| fault(&error))?;
        if roots.is_empty() {
            return Err(Failure::usage(format!(
                "RUNMINT_CA_FILE {}: there is no certificate in it",
                path.display()
            )));
        }
        builder = builder.tls_certs_merge(roots);
    } else if url.scheme() == "http" {
        // Nothing to verify: a machine without any certificate authorities can still do this.
        builder = builder.tls_certs_only([]);
    }
    builder
        .build()
        .map_err(|error| Failure::failed(format!("no client can be made: {}", with_causes(&error))))
}

pub(in crate::cli) async fn read(mut response: reqwest::Response, most: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > most {
            return Err(Failure::failed("the answer is far too large: is this runmint?"));
        }
    }
    Ok(bytes)
}

pub(in crate::cli) fn unreachable(error: &reqwest::Error) -> Failure {
    Failure::unreachable(format!("the server cannot be reached: {}", with_causes(error)))
}

fn with_causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// The members of a problem document (RFC 9457) and of a token endpoint's refusal (RFC 6749 §5.2). Proxies and
/// platforms answer with either, and with less than our server does.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    title: Option<String>,
    detail: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    reason: Option<String>,
}

/// The server's words for a refusal, or the status of an answer without any.
pub(in crate::cli) fn refusal(status: StatusCode, body: &[u8]) -> String {
    match serde_json::from_slice(body).unwrap_or_default() {
        Refusal { error: Some(error), error_description: Some(description), reason, .. } => {
            safe(&format!("{description} ({})", reason.unwrap_or(error)))
        }
        Refusal { title: Some(title), detail: Some(detail), .. } => safe(&format!("{title}: {detail}")),
        _ if status.is_redirection() => {
            format!("the server answered {status}, and redirects are not followed")
        }
        _ => format!("the server answered {status}"),
    }
}
