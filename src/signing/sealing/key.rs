//! One sealing key: it seals, opens, attests and derives.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::hmac;
use zeroize::Zeroizing;

use super::derived::Derived;
use super::error::SealingError;
use super::purpose::{Purpose, parts};
use crate::entropy::Entropy;

/// The key that seals signing keys. It has neither `Debug` nor `Display`: only its id may be shown.
pub struct SealingKey {
    id: String,
    key: LessSafeKey,
    attestation: hmac::Key,
}

impl SealingKey {
    /// From base64 of 32 bytes, with or without white space around it.
    pub fn parse(text: &str) -> Result<Self, SealingError> {
        let bytes = STANDARD.decode(text.trim()).map(Zeroizing::new).map_err(|_| SealingError::Malformed)?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| SealingError::Malformed)?;
        // Domain-separated, so that the id reveals nothing about other uses of the key.
        let id = digest(&SHA256, &[b"runmint sealing key id\0".as_slice(), &bytes].concat());
        let id = hex::encode(&id.as_ref()[..6]);
        // A separate key for each use.
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), b"runmint attestation v1");
        let attestation = hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref());
        Ok(Self { id, key: LessSafeKey::new(key), attestation })
    }

    /// A short fingerprint in hexadecimal, safe to show.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `plain` sealed for the record `of`: id, dot, base64.
    pub fn seal(&self, plain: &[u8], of: &Purpose<'_>, entropy: &dyn Entropy) -> String {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut sealed = plain.to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(of.bytes()), &mut sealed)
            .expect("a key of a few kilobytes is within AES-GCM's limit");
        format!("{}.{}", self.id, STANDARD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Base64 of an HMAC-SHA-256 that proves possession of this sealing key for `content`.
    pub fn attest(&self, content: &[u8]) -> String {
        STANDARD.encode(hmac::sign(&self.attestation, content))
    }

    /// Bytes that follow from `content` and cannot be derived without this sealing key.
    pub fn derive(&self, content: &[u8]) -> Derived {
        let mut context = hmac::Context::with_key(&self.attestation);
        context.update(b"runmint/derived/v1\0");
        context.update(content);
        let key = hmac::Key::new(hmac::HMAC_SHA256, context.sign().as_ref());
        Derived::new(key)
    }

    pub(super) fn attests(&self, content: &[u8], attestation: &str) -> bool {
        STANDARD.decode(attestation).is_ok_and(|tag| hmac::verify(&self.attestation, content, &tag).is_ok())
    }

    pub(super) fn open(&self, sealed: &str, of: &Purpose<'_>) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        let damaged = || SealingError::Damaged { kid: of.kid.to_owned() };
        let (_, text) = parts(sealed).ok_or_else(damaged)?;
        let mut bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| damaged())?);
        if bytes.len() < NONCE_LEN {
            return Err(damaged());
        }
        let nonce: [u8; NONCE_LEN] = bytes[..NONCE_LEN].try_into().expect("just measured");
        let plain = self
            .key
            .open_within(Nonce::assume_unique_for_key(nonce), Aad::from(of.bytes()), &mut bytes, NONCE_LEN..)
            .map_err(|_| damaged())?;
        Ok(Zeroizing::new(plain.to_vec()))
    }
}
