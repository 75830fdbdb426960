//! Talking to a server.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::tls::TlsInfo;
use reqwest::{Certificate, Method, StatusCode, Url};
use serde_json::Value;
use url::form_urlencoded;
use zeroize::Zeroizing;

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
    pub(in crate::cli) fn at(base: &str, credential: Option<String>) -> Result<Self, Failure> {
        Self::new(base, credential, variable("RUNMINT_CA_FILE").as_deref().map(Path::new))
    }

    /// A job's way to the tokens of its platform: little time, small answers.
    pub(in crate::cli) fn of_platform(url: &str, request_token: String) -> Result<Self, Failure> {
        let ca_file = variable("RUNMINT_CA_FILE");
        Self::bounded(url, Some(request_token), ca_file.as_deref().map(Path::new), OF_DISCOVERY)
    }

    /// For the discovery document of an issuer that nobody vouches for: little time, small answers.
    pub(in crate::cli) fn of_discovery(issuer: &str) -> Result<Self, Failure> {
        let ca_file = variable("RUNMINT_CA_FILE");
        Self::bounded(issuer, None, ca_file.as_deref().map(Path::new), OF_DISCOVERY)
    }

    /// For looking at a server from outside, as somebody whom it does not know.
    pub(in crate::cli) fn of_examination(base: &str) -> Result<Self, Failure> {
        let ca_file = variable("RUNMINT_CA_FILE");
        Self::bounded(base, None, ca_file.as_deref().map(Path::new), OF_EXAMINATION)
    }

    /// The server at `base`; `ca_file` is trusted beside the system's authorities.
    pub(in crate::cli) fn new(
        base: &str,
        credential: Option<String>,
        ca_file: Option<&Path>,
    ) -> Result<Self, Failure> {
        Self::bounded(base, credential, ca_file, OF_OUR_API)
    }

    fn bounded(
        base: &str,
        credential: Option<String>,
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
        Ok(Self { http, base, credential: credential.map(Zeroizing::new), bounds })
    }

    /// The JSON that the server answers.
    pub(in crate::cli) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::GET, path, None).await
    }

    pub(in crate::cli) async fn post(&self, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        self.send(Method::POST, path, body).await
    }

    pub(in crate::cli) async fn patch(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(in crate::cli) async fn put(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(in crate::cli) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.send(Method::DELETE, path, None).await.map(drop)
    }

    /// What is at `path`, whatever the answer is.
    pub(in crate::cli) async fn look(&self, path: &str) -> Result<Seen, Failure> {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let begun = Instant::now();
        let response = self.http.get(&url).send().await.map_err(|error| unreachable(&error.without_url()))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let seen = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        let certificate = seen.map(<[u8]>::to_vec);
        let body = read(response, self.bounds.answer_bytes).await?;
        Ok(Seen { status, headers, body, certificate, took: begun.elapsed() })
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let (status, bytes) = self.exchange(method, path, body).await?;
        if !status.is_success() {
            return Err(Failure::failed(refusal(status, &bytes)));
        }
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|_| {
            Failure::failed(format!("the answer of {} is not JSON: is this runmint?", self.base))
        })
    }

    /// The answer as it is, for callers to whom the status says what to do next.
    pub(in crate::cli) async fn get_with_status(&self, path: &str) -> Result<(StatusCode, Vec<u8>), Failure> {
        self.exchange(Method::GET, path, None).await
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Vec<u8>), Failure> {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let mut request = self.http.request(method, &url);
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

/// What a problem document says, or a refusal of RFC 6749 §5.2, or the status where there is neither.
pub(in crate::cli) fn refusal(status: StatusCode, body: &[u8]) -> String {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    if let (Some(error), Some(description)) =
        (problem["error"].as_str(), problem["error_description"].as_str())
    {
        return safe(&format!("{description} ({})", problem["reason"].as_str().unwrap_or(error)));
    }
    match (problem["title"].as_str(), problem["detail"].as_str()) {
        (Some(title), Some(detail)) => safe(&format!("{title}: {detail}")),
        _ if status.is_redirection() => {
            format!("the server answered {status}, and redirects are not followed")
        }
        _ => format!("the server answered {status}"),
    }
}
