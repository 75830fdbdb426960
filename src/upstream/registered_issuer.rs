//! A trusted issuer, as far as its keys are concerned.

use ring::digest::{Context, SHA256};

use super::thumbprint::Thumbprint;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredIssuer {
    /// The id of the registration: two organizations may register the same URL, and share nothing.
    pub id: String,
    /// The required `iss`, compared byte for byte.
    pub url: String,
    pub keys: KeySource,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Through the discovery document. With `pins`, only a server with one of these certificates is trusted.
    Discovered { pins: Vec<Thumbprint> },
    /// This uploaded key set; nothing is fetched.
    Static { jwks: String },
}

impl RegisteredIssuer {
    /// A digest of everything that decides which keys these are: once it changes, on whichever replica, keys
    /// fetched earlier are no longer used.
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
