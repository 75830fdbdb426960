//! The one way out: fetches one document from an untrusted source.
//!
//! The host is resolved first, then every address is checked, and the connection goes only to these
//! addresses: a name that resolves differently a moment later has no effect (DNS rebinding). Redirects are
//! not followed, proxies are not used, time and size are bounded, and only JSON with status 200 is accepted.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Response, StatusCode};
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::{CertificateDer, ServerName};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use url::Host;

use super::address::{AddressRules, Forbidden};
use super::freshness;
use super::resolver::Resolver;
use super::source_url::{PlainHttp, SourceUrl, SourceUrlError};
use super::thumbprint::Thumbprint;
use super::tls::{self, Accepted, LeafVerifier};

/// The operator's decisions about fetching.
#[derive(Clone, Debug)]
pub struct FetchSettings {
    /// Allowed ranges in addition to the public Internet.
    pub allowed_ranges: Vec<IpNet>,
    pub plain_http: PlainHttp,
    /// Certificate authorities in addition to those of this machine.
    pub authorities: Vec<CertificateDer<'static>>,
    /// For one whole refresh of an issuer's keys, from the first name lookup to the last byte.
    pub time: Duration,
    /// The largest document.
    pub max_bytes: usize,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            allowed_ranges: Vec::new(),
            plain_http: PlainHttp::Never,
            authorities: Vec::new(),
            time: Duration::from_secs(5),
            max_bytes: 1024 * 1024,
        }
    }
}

#[derive(Debug, Error)]
pub enum FetchError {
    #[error("the URL is not acceptable")]
    Url(#[from] SourceUrlError),
    #[error("could not resolve `{host}`")]
    Resolve { host: String, source: io::Error },
    #[error("`{0}` has no address")]
    NoAddress(String),
    #[error(
        "`{host}` resolves to {address}, which is {kind}; the operator can allow its range in trust_allowed_ranges"
    )]
    Forbidden { host: String, address: IpAddr, kind: Forbidden },
    #[error("http is allowed on loopback only, and `{host}` resolves to {address}")]
    PlainHttp { host: String, address: IpAddr },
    #[error("no complete answer arrived within {} ms", .0.as_millis())]
    TooSlow(Duration),
    #[error("the server presents the certificate {0}, which is not pinned")]
    NotPinned(Thumbprint),
    #[error("could not set up TLS")]
    Tls(#[source] rustls::Error),
    #[error("the connection failed")]
    Connection(#[source] io::Error),
    #[error("the request failed")]
    Request(#[source] reqwest::Error),
    #[error("the answer is a redirect ({0}); redirects are not followed")]
    Redirect(StatusCode),
    #[error("the answer has status {0}")]
    Status(StatusCode),
    #[error("the answer is `{0}`, not JSON")]
    NotJson(String),
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    #[error("the host is not a valid TLS server name")]
    ServerName,
    #[error("an http URL has no certificate")]
    NoCertificate,
}

/// A document as received.
#[derive(Debug)]
pub struct Document {
    pub body: Vec<u8>,
    /// How long it may be used, within bounds.
    pub fresh_for: Duration,
}

pub struct Fetcher {
    settings: FetchSettings,
    rules: AddressRules,
    resolver: Arc<dyn Resolver>,
    /// Read from disk when first needed: a machine without authorities can still fetch with pins.
    authorities: OnceLock<Arc<dyn ServerCertVerifier>>,
}

impl Fetcher {
    pub fn new(settings: FetchSettings, resolver: Arc<dyn Resolver>) -> Self {
        let rules = AddressRules::allowing(settings.allowed_ranges.clone());
        Self { settings, rules, resolver, authorities: OnceLock::new() }
    }

    pub fn settings(&self) -> &FetchSettings {
        &self.settings
    }

    /// The deadline of a refresh that starts now.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.settings.time
    }

    /// The document at `url`. With `pins`, the server must present one of these certificates, and authorities
    /// are ignored.
    pub async fn fetch(
        &self,
        url: &SourceUrl,
        pins: &[Thumbprint],
        deadline: Instant,
    ) -> Result<Document, FetchError> {
        let fetched = timeout_at(deadline, self.fetch_whole(url, pins)).await;
        fetched.unwrap_or(Err(FetchError::TooSlow(self.settings.time)))
    }

    /// The certificate that the server at `url` presents, without checking who signed it, so that it can be pinned. Sends no
    /// request and trusts nothing.
    pub async fn leaf_thumbprint(&self, url: &SourceUrl) -> Result<Thumbprint, FetchError> {
        let found = timeout_at(self.deadline(), self.shake_hands(url)).await;
        found.unwrap_or(Err(FetchError::TooSlow(self.settings.time)))
    }

    async fn fetch_whole(&self, url: &SourceUrl, pins: &[Thumbprint]) -> Result<Document, FetchError> {
        let addresses = self.checked_addresses(url).await?;
        let pinned = (!pins.is_empty()).then(|| LeafVerifier::new(Accepted::OneOf(pins.to_vec())));
        let client = match &pinned {
            Some(pinned) => client(addresses, Arc::clone(pinned) as _)?,
            None if url.is_https() => client(addresses, self.authorities()?)?,
            // Plain http: no certificate is presented, and none would be accepted.
            None => client(addresses, LeafVerifier::new(Accepted::OneOf(Vec::new())))?,
        };
        let request = client.get(url.url().clone()).header(ACCEPT, "application/json");
        let answered = request.send().await.map_err(|error| {
            match pinned.as_ref().and_then(|verifier| verifier.refused()) {
                Some(refused) => FetchError::NotPinned(refused),
                None => FetchError::Request(error.without_url()),
            }
        })?;
        self.read(answered).await
    }

    /// The addresses of the host. One forbidden address refuses them all: no honest name mixes them.
    async fn checked_addresses(&self, url: &SourceUrl) -> Result<Vec<SocketAddr>, FetchError> {
        let host = url.host().to_string();
        let addresses = match url.host() {
            Host::Ipv4(address) => vec![IpAddr::V4(address)],
            Host::Ipv6(address) => vec![IpAddr::V6(address)],
            Host::Domain(name) => self
                .resolver
                .resolve(name)
                .await
                .map_err(|source| FetchError::Resolve { host: host.clone(), source })?,
        };
        if addresses.is_empty() {
            return Err(FetchError::NoAddress(host));
        }
        for &address in &addresses {
            self.rules.check(address).map_err(|kind| FetchError::Forbidden {
                host: host.clone(),
                address,
                kind,
            })?;
            if !url.is_https() && !address.is_loopback() {
                return Err(FetchError::PlainHttp { host, address });
            }
        }
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, url.port())).collect())
    }

    fn authorities(&self) -> Result<Arc<dyn ServerCertVerifier>, FetchError> {
        if let Some(authorities) = self.authorities.get() {
            return Ok(Arc::clone(authorities));
        }
        let authorities = tls::authorities(&self.settings.authorities).map_err(FetchError::Tls)?;
        Ok(Arc::clone(self.authorities.get_or_init(|| authorities)))
    }

    async fn read(&self, mut answer: Response) -> Result<Document, FetchError> {
        let status = answer.status();
        if status.is_redirection() {
            return Err(FetchError::Redirect(status));
        }
        if status != StatusCode::OK {
            return Err(FetchError::Status(status));
        }
        check_type(answer.headers())?;
        let most = self.settings.max_bytes;
        if answer.content_length().is_some_and(|length| length > most as u64) {
            return Err(FetchError::TooLarge(most));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(FetchError::Request)? {
            if body.len() + chunk.len() > most {
                return Err(FetchError::TooLarge(most));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Document { body, fresh_for: freshness::of(answer.headers()) })
    }

    async fn shake_hands(&self, url: &SourceUrl) -> Result<Thumbprint, FetchError> {
        if !url.is_https() {
            return Err(FetchError::NoCertificate);
        }
        let name = match url.host() {
            Host::Domain(name) => {
                ServerName::try_from(name.to_owned()).map_err(|_| FetchError::ServerName)?
            }
            Host::Ipv4(address) => ServerName::IpAddress(address.into()),
            Host::Ipv6(address) => ServerName::IpAddress(address.into()),
        };
        let addresses = self.checked_addresses(url).await?;
        let verifier = LeafVerifier::new(Accepted::Any);
        let config = tls::client(verifier.clone()).map_err(FetchError::Tls)?;
        let stream = TcpStream::connect(&addresses[..]).await.map_err(FetchError::Connection)?;
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.map_err(FetchError::Connection)?;
        verifier.presented().ok_or(FetchError::ServerName)
    }
}

/// A client for one request: the next request resolves its own addresses.
fn client(addresses: Vec<SocketAddr>, verifier: Arc<dyn ServerCertVerifier>) -> Result<Client, FetchError> {
    Client::builder()
        .user_agent(concat!("runmint/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls::client(verifier).map_err(FetchError::Tls)?)
        .dns_resolver(Arc::new(Checked(addresses)))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        // A proxy would resolve the name again and connect anywhere.
        .no_proxy()
        .referer(false)
        .http1_only()
        .pool_max_idle_per_host(0)
        .build()
        .map_err(FetchError::Request)
}

/// Resolves every name to the checked addresses.
struct Checked(Vec<SocketAddr>);

impl Resolve for Checked {
    fn resolve(&self, _: Name) -> reqwest::dns::Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// Accepts `application/json` and `application/*+json`, such as `application/jwk-set+json` (RFC 7517 §8.5.2).
fn check_type(headers: &HeaderMap) -> Result<(), FetchError> {
    let named = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let essence = named.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    Err(FetchError::NotJson(essence.chars().take(100).flat_map(char::escape_debug).collect()))
}
