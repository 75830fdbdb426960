//! Stand-ins for the token services of AWS, Microsoft Entra and Google Cloud on loopback: over HTTPS, with
//! discovery and keys fetched from the issuer, and with the refusals of the real services.
//!
//! Their rules and texts come from the vendors' documentation and models, and for AWS from published
//! observations of the real service. Their credentials work only here.

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
    /// The certificate authorities of the clouds and their issuers, which clients of either must trust.
    pub ca_file: PathBuf,
    aws_server: HttpsServer,
    entra_server: HttpsServer,
    google_server: HttpsServer,
}

impl Clouds {
    /// `clock` measures tokens; credentials live by the machine's clock, which clients read. `issuers` is
    /// PEM: the certificate authority of the issuers that the clouds fetch keys from.
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

/// An API in a cloud that reports the identity of its caller.
fn whoami(sessions: &Sessions, headers: &HeaderMap) -> Response {
    match bearer(sessions, headers) {
        Some(session) => session.principal.into_response(),
        None => (StatusCode::UNAUTHORIZED, "the access token is unknown or over").into_response(),
    }
}

/// The unexpired session of the access token in the request.
fn bearer(sessions: &Sessions, headers: &HeaderMap) -> Option<Session> {
    let token = headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
    // A client that read the clock before the request sent it in good faith.
    sessions.find(token).filter(|session| SystemClock.now() < session.expires_at + LEEWAY)
}
