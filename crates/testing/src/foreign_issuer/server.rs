use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use runmint::upstream::thumbprint::Thumbprint;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::keys::{ForeignKey, key_set};
use super::reply::Reply;

pub(super) const DISCOVERY: &str = "/.well-known/openid-configuration";
pub(super) const KEYS: &str = "/keys";

/// A running issuer, honest by default.
pub struct ForeignIssuer {
    pub url: String,
    pub address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    replies: Mutex<Vec<(String, Reply)>>,
    requests: Mutex<Vec<String>>,
    connections: AtomicUsize,
}

/// A certificate for `localhost` and `127.0.0.1`, and its signer.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    certificate: CertificateDer<'static>,
    pub authority: CertificateDer<'static>,
    pub thumbprint: Thumbprint,
}

/// Presents a certificate with a key that does not match.
#[derive(Debug)]
struct Stolen(Arc<CertifiedKey>);

impl ResolvesServerCert for Stolen {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

impl Tls {
    /// The same certificate, used by an attacker without its key.
    pub fn stolen(&self) -> Self {
        let key = PrivateKeyDer::try_from(KeyPair::generate().unwrap().serialize_der()).unwrap();
        let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
        let stolen = Stolen(Arc::new(CertifiedKey::new(vec![self.certificate.clone()], key)));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(stolen));
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), ..self.clone() }
    }

    #[expect(clippy::new_without_default, reason = "a test makes it by name")]
    pub fn new() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "issuer.test".to_owned()];
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        let private_key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], private_key)
            .unwrap();
        Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificate: leaf.der().clone(),
            authority: authority.der().clone(),
            thumbprint: Thumbprint::of(leaf.der()),
        }
    }
}

impl ForeignIssuer {
    /// Over http on 127.0.0.1, with these keys.
    pub async fn start(keys: &[&ForeignKey]) -> Self {
        Self::start_at("127.0.0.1:0", None, keys).await
    }

    pub async fn start_tls(tls: &Tls, keys: &[&ForeignKey]) -> Self {
        Self::start_at("127.0.0.1:0", Some(tls.clone()), keys).await
    }

    pub async fn start_at(address: &str, tls: Option<Tls>, keys: &[&ForeignKey]) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state = Arc::new(State::default());
        let accepting = tokio::spawn(accept(listener, tls, Arc::clone(&state)));
        let issuer = Self { url: format!("{scheme}://{address}"), address, state, accepting };
        issuer.is_called(&issuer.url);
        issuer.publish(keys);
        issuer
    }

    /// Sets `issuer` and the URL of its keys, for an issuer that is reached by name.
    pub fn is_called(&self, url: &str) {
        self.discovery(Reply::json(&json!({"issuer": url, "jwks_uri": format!("{url}{KEYS}")})));
    }

    pub fn publish(&self, keys: &[&ForeignKey]) {
        self.keys(Reply::json(&key_set(keys)));
    }

    pub fn publish_for(&self, cache_control: &str, keys: &[&ForeignKey]) {
        self.keys(Reply::json_with(&format!("cache-control: {cache_control}"), &key_set(keys)));
    }

    pub fn discovery(&self, reply: Reply) {
        self.answer(DISCOVERY, reply);
    }

    pub fn discovery_says(&self, document: &Value) {
        self.discovery(Reply::json(document));
    }

    pub fn keys(&self, reply: Reply) {
        self.answer(KEYS, reply);
    }

    pub fn answer(&self, path: &str, reply: Reply) {
        let mut replies = self.state.replies.lock().unwrap();
        replies.retain(|(known, _)| known != path);
        replies.push((path.to_owned(), reply));
    }

    /// The requested paths, in order.
    pub fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap().clone()
    }

    /// The number of times that its keys were requested.
    pub fn key_requests(&self) -> usize {
        self.requests().iter().filter(|path| *path == KEYS).count()
    }

    pub fn discovery_requests(&self) -> usize {
        self.requests().iter().filter(|path| *path == DISCOVERY).count()
    }

    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for ForeignIssuer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, tls: Option<Tls>, state: Arc<State>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        state.connections.fetch_add(1, Ordering::SeqCst);
        let (state, tls) = (Arc::clone(&state), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => serve(stream, &state).await,
                Some(tls) => match tls.acceptor.accept(stream).await {
                    Ok(stream) => serve(stream, &state).await,
                    Err(_) => Ok(()),
                },
            }
        });
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: &State) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > 16 * 1024 {
            return Ok(());
        }
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    state.requests.lock().unwrap().push(path.clone());
    let known = state.replies.lock().unwrap().iter().find(|(known, _)| *known == path).cloned();
    let mut reply = known.map_or_else(|| Reply::status("404 Not Found"), |(_, reply)| reply);
    while let Reply::Behind(gate, next) = reply {
        gate.pass().await;
        reply = *next;
    }
    send(&mut stream, &reply).await?;
    stream.shutdown().await
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), reply: &Reply) -> std::io::Result<()> {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    match reply {
        Reply::Raw(bytes) => stream.write_all(bytes).await,
        Reply::Silence => std::future::pending().await,
        Reply::Drip => {
            stream.write_all(HEAD).await?;
            let mut drops = tokio::time::interval(Duration::from_millis(10));
            loop {
                drops.tick().await;
                stream.write_all(b" ").await?;
                stream.flush().await?;
            }
        }
        Reply::Endless => {
            stream.write_all(HEAD).await?;
            loop {
                stream.write_all(&[b' '; 4096]).await?;
            }
        }
        Reply::Behind(..) => unreachable!("the gate was passed"),
    }
}
