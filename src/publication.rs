//! What verifiers fetch, rendered once per change of the keys and served from memory.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::Serialize;

use crate::issuer::discovery;
use crate::issuer::service::Services;
use crate::issuer::url::IssuerUrl;
use crate::signing::keyring::Keyring;

pub struct Publication {
    pub configuration: Document,
    pub jwks: Document,
}

pub struct Document {
    pub body: Vec<u8>,
    /// Strong: equal exactly when the bytes are (RFC 9110 §8.8.3).
    pub etag: String,
}

impl Publication {
    pub fn of(issuer: &IssuerUrl, services: &Services, keyring: &Keyring) -> Self {
        Self {
            configuration: Document::new(&discovery::document(issuer, &keyring.algorithms(), services)),
            jwks: Document::new(&keyring.jwks()),
        }
    }
}

impl Document {
    fn new(content: &impl Serialize) -> Self {
        let body = serde_json::to_vec(content).expect("discovery and key sets are plain JSON");
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest(&SHA256, &body).as_ref()[..18]));
        Self { body, etag }
    }
}
