//! TLS by certificate files, read again when they change: certificates are renewed while we serve.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ring::digest::{SHA256, digest};
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

const LOOK_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, Error)]
pub enum TlsError {
    #[error("{path}: {source}", path = path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{path}: {why}", path = path.display())]
    Content { path: PathBuf, why: String },
    #[error("could not set up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

/// A certificate and its key, as the files last had them.
pub struct CertificateFiles {
    certificate: PathBuf,
    private_key: PathBuf,
    current: ArcSwap<Loaded>,
}

struct Loaded {
    key: Arc<CertifiedKey>,
    fingerprint: Vec<u8>,
}

impl CertificateFiles {
    pub fn load(certificate: &Path, private_key: &Path) -> Result<Arc<Self>, TlsError> {
        let loaded = read(certificate, private_key)?;
        Ok(Arc::new(Self {
            certificate: certificate.to_owned(),
            private_key: private_key.to_owned(),
            current: ArcSwap::from_pointee(loaded),
        }))
    }

    /// Takes the files' new content when it has changed and is sound; else keeps what it has.
    pub fn reload_if_changed(&self) -> Result<bool, TlsError> {
        let loaded = read(&self.certificate, &self.private_key)?;
        if loaded.fingerprint == self.current.load().fingerprint {
            return Ok(false);
        }
        self.current.store(Arc::new(loaded));
        Ok(true)
    }

    /// Looks at the files again and again, for as long as the process lives.
    pub async fn watch(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            let files = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || files.reload_if_changed()).await {
                Ok(Ok(true)) => tracing::info!("TLS certificate reloaded"),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, "could not reload the TLS certificate; still serving the previous one");
                }
                Err(error) => tracing::error!(%error, "could not check the TLS certificate for changes"),
            }
        }
    }

    /// HTTP/1.1 over TLS 1.2 or 1.3.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for CertificateFiles {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().key))
    }
}

impl std::fmt::Debug for CertificateFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateFiles").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

fn read(certificate: &Path, private_key: &Path) -> Result<Loaded, TlsError> {
    let bytes =
        |path: &Path| std::fs::read(path).map_err(|source| TlsError::File { path: path.to_owned(), source });
    let content = |path: &Path, why: String| TlsError::Content { path: path.to_owned(), why };
    let (chain_pem, key_pem) = (bytes(certificate)?, zeroize::Zeroizing::new(bytes(private_key)?));
    let chain = CertificateDer::pem_slice_iter(&chain_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| content(certificate, format!("not a PEM certificate chain: {error}")))?;
    if chain.is_empty() {
        return Err(content(certificate, "holds no PEM certificate".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&key_pem)
        .map_err(|error| content(private_key, format!("not a PEM private key: {error}")))?;
    let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
        .map_err(|error| content(private_key, format!("does not go with the certificate: {error}")))?;
    let fingerprint = digest(&SHA256, &[chain_pem.as_slice(), &key_pem].concat()).as_ref().to_vec();
    Ok(Loaded { key: Arc::new(key), fingerprint })
}
