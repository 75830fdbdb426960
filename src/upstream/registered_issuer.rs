//! An issuer that somebody registered, as far as its keys are concerned.

use ring::digest::{Context, SHA256};

use super::thumbprint::Thumbprint;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredIssuer {
    /// Of the registration: two organizations may register one URL, and share nothing.
    pub id: String,
    /// What `iss` must be, byte for byte.
    pub url: String,
    pub keys: KeySource,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// By the discovery document. With `pins`, only a server with one of these certificates is believed.
    Discovered { pins: Vec<Thumbprint> },
    /// This key set, and nobody is asked.
    Static { jwks: String },
}

impl RegisteredIssuer {
    /// Of everything that decides which keys these are: once it is changed, on whichever replica, keys that
    /// were fetched before are no longer used.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Context::new(&SHA256);
        let mut part = |bytes: &[u8]| {
            digest.update(&(bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        };
        part(self.url.as_bytes());
        match &self.keys {
            KeySource::Discovered { pins } => {
                part(b"discovered");
                for pin in pins {
                    part(pin.as_bytes());
                }
            }
            KeySource::Static { jwks } => {
                part(b"static");
                part(jwks.as_bytes());
            }
        }
        digest.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }
}
