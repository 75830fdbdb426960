//! The token services of AWS, Microsoft Entra and Google Cloud, played on loopback: over HTTPS, with discovery
//! and keys fetched from the issuer, and with the refusals of the real ones.
//!
//! What they refuse and how they say it is from the vendors' documentation and models, and for AWS from what
//! others have seen the real service answer. The credentials that they give open nothing but themselves.

mod assertion;
pub mod aws;
pub mod entra;
pub mod google;
mod issuer;
mod server;
pub mod sessions;
mod signature;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use jiff::SignedDuration;
use runmint::clock::{Clock, SystemClock};

use self::aws::Aws;
use self::entra::Entra;
use self::google::Google;
use self::server::{Certificate, HttpsServer};
use self::sessions::{Session, Sessions};

const LEEWAY: SignedDuration = SignedDuration::from_secs(1);

/// All three, each at an address of its own.
pub struct Clouds {
    pub aws: Arc<Aws>,
    pub entra: Arc<Entra>,
    pub google: Arc<Google>,
    /// The authorities of the clouds and of their issuers: whoever talks to either has to trust these.
    pub ca_file: PathBuf,
    aws_server: HttpsServer,
    entra_server: HttpsServer,
    google_server: HttpsServer,
}

impl Clouds {
    /// `clock` is what tokens are measured by; credentials live by the machine's, which their users read.
    /// `issuers` is PEM: the authority of whoever the clouds are to fetch keys from.
    pub async fn start(clock: Arc<dyn Clock>, issuers: &str, folder: &Path) -> Self {
        let certificate = Certificate::new();
        let (aws, entra, google) = (
            Aws::new(Arc::clone(&clock), issuers),
            Entra::new(Arc::clone(&clock), issuers),
            Google::new(clock, issuers),
        );
        let ca_file = folder.join("clouds-ca.pem");
        server::write_bundle(&ca_file, &[&certificate.authority_pem, issuers]);
        Self {
            aws_server: HttpsServer::start(&certificate, aws.router()).await,
            entra_server: HttpsServer::start(&certificate, entra.router()).await,
            google_server: HttpsServer::start(&certificate, google.router()).await,
            aws,
            entra,
            google,
            ca_file,
        }
    }

    pub fn aws_url(&self) -> String {
        self.aws_server.url()
    }

    pub fn entra_url(&self) -> String {
        self.entra_server.url()
    }

    pub fn google_url(&self) -> String {
        self.google_server.url()
    }
}

/// Something in a cloud that can be called with its tokens: says who is calling.
fn whoami(sessions: &Sessions, headers: &HeaderMap) -> Response {
    match bearer(sessions, headers) {
        Some(session) => session.principal.into_response(),
        None => (StatusCode::UNAUTHORIZED, "the access token is unknown or over").into_response(),
    }
}

/// The session of the access token in the request, while it lasts.
fn bearer(sessions: &Sessions, headers: &HeaderMap) -> Option<Session> {
    let token = headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
    // Whoever looked at the clock before the request has sent it in good faith.
    sessions.find(token).filter(|session| SystemClock.now() < session.expires_at + LEEWAY)
}
