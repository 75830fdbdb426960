use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

/// A certificate for 127.0.0.1 from a new certificate authority.
pub(crate) struct Certificate {
    acceptor: TlsAcceptor,
    /// The authority's own certificate.
    pub(crate) authority_pem: String,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        authority.distinguished_name.push(DnType::CommonName, "authority of the stand-in clouds");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        // Otherwise OpenSSL, which compares names only, would take it for its own issuer.
        leaf.distinguished_name.push(DnType::CommonName, "stand-in cloud");
        leaf.use_authority_key_identifier_extension = true;
        let leaf: CertificateDer<'static> = leaf.signed_by(&key, &authority).unwrap().der().clone();
        let private_key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf], private_key)
            .unwrap();
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), authority_pem: authority.pem() }
    }
}

/// A router behind HTTPS on a free port of 127.0.0.1, until it is dropped.
pub(crate) struct HttpsServer {
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl HttpsServer {
    pub(crate) async fn start(certificate: &Certificate, router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = certificate.acceptor.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(speak(stream, tls.clone(), router.clone()));
            }
        });
        Self { address, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

impl Drop for HttpsServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn speak(stream: TcpStream, tls: TlsAcceptor, router: Router) {
    // A client that does not trust the certificate disconnects here and reports it.
    let Ok(stream) = tls.accept(stream).await else { return };
    let service = service_fn(move |request: Request<Incoming>| router.clone().call(request.map(Body::new)));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Writes several PEM certificate authorities to one file, as every client expects.
pub(crate) fn write_bundle(path: &Path, authorities: &[&str]) {
    std::fs::write(path, authorities.join("\n")).unwrap();
}
