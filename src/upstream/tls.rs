//! Which certificates are accepted: those of an authority, or pinned ones.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use rustls_platform_verifier::Verifier;

use super::thumbprint::Thumbprint;

/// Accepts certificates of this machine's authorities and of `extra` ones.
pub(super) fn authorities(extra: &[CertificateDer<'static>]) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    Ok(Arc::new(Verifier::new_with_extra_roots(extra.iter().cloned(), provider())?))
}

/// HTTP/1.1 over TLS 1.2 or 1.3.
pub(super) fn client(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Accepts a certificate by its thumbprint: authorities, names and dates are not checked. The handshake still
/// verifies that the server has the certificate's private key.
#[derive(Debug)]
pub(super) struct LeafVerifier {
    accepted: Accepted,
    presented: OnceLock<Thumbprint>,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
pub(super) enum Accepted {
    OneOf(Vec<Thumbprint>),
    /// To find out which certificate the server has; nothing is sent to such a server.
    Any,
}

impl LeafVerifier {
    pub(super) fn new(accepted: Accepted) -> Arc<Self> {
        Arc::new(Self { accepted, presented: OnceLock::new(), provider: provider() })
    }

    /// The certificate that the server presented.
    pub(super) fn presented(&self) -> Option<Thumbprint> {
        self.presented.get().copied()
    }

    /// The certificate that the server presented, if it was refused.
    pub(super) fn refused(&self) -> Option<Thumbprint> {
        self.presented().filter(|presented| !self.accepts(presented))
    }

    fn accepts(&self, presented: &Thumbprint) -> bool {
        match &self.accepted {
            Accepted::OneOf(pins) => pins.contains(presented),
            Accepted::Any => true,
        }
    }
}

impl ServerCertVerifier for LeafVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let presented = self.presented.get_or_init(|| Thumbprint::of(end_entity));
        if self.accepts(presented) && *presented == Thumbprint::of(end_entity) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
