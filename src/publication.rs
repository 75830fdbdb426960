//! The discovery document and key set of one issuer, rendered once per change of the keys and served from memory.

use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde::Serialize;

use crate::issuer::discovery;
use crate::issuer::service::Services;
use crate::issuer::url::IssuerUrl;
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::keyring::{IssuerId, Keyring};

pub struct Publication {
    pub issuer: IssuerUrl,
    pub configuration: Document,
    pub jwks: Document,
    /// When the key set was last fetched, in milliseconds since 1970; 0 for never.
    last_fetched: AtomicI64,
    /// The last such time that was reported.
    told: AtomicI64,
}

/// A fact for people: it is told this often at most, so that fetching costs no writes.
const TELL_EVERY_MILLIS: i64 = 60_000;

pub struct Document {
    pub body: Vec<u8>,
    /// Strong: equal exactly when the bytes are (RFC 9110 §8.8.3).
    pub etag: String,
}

impl Publication {
    /// `None` while the issuer has no key: a key set without keys would tell verifiers to refuse all.
    pub fn of(issuer: IssuerUrl, id: IssuerId, services: &Services, keyring: &Keyring) -> Option<Self> {
        let jwks = keyring.jwks(id);
        if jwks.keys.is_empty() {
            return None;
        }
        let algorithms: Vec<&str> =
            keyring.algorithms(id).into_iter().map(SigningAlgorithm::as_str).collect();
        Some(Self {
            configuration: Document::new(&discovery::document(&issuer, &algorithms, services)),
            jwks: Document::new(&jwks),
            issuer,
            last_fetched: AtomicI64::new(0),
            told: AtomicI64::new(0),
        })
    }

    pub fn was_fetched(&self, now: Timestamp) {
        self.last_fetched.store(now.as_millisecond(), Ordering::Relaxed);
    }

    /// When it was fetched since this told it last, a minute ago or more.
    pub fn take_last_fetched(&self) -> Option<Timestamp> {
        let fetched = self.last_fetched.load(Ordering::Relaxed);
        if fetched == 0 || fetched < self.told.load(Ordering::Relaxed) + TELL_EVERY_MILLIS {
            return None;
        }
        self.told.store(fetched, Ordering::Relaxed);
        self.last_fetched.store(0, Ordering::Relaxed);
        Timestamp::from_millisecond(fetched).ok()
    }
}

impl Document {
    fn new(content: &impl Serialize) -> Self {
        let body = serde_json::to_vec(content).expect("discovery and key sets are plain JSON");
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest(&SHA256, &body).as_ref()[..18]));
        Self { body, etag }
    }
}
