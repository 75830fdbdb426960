//! A key that signs tokens, opened once and kept: opening it for each signature would more than halve the
//! rate.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Header;
use jsonwebtoken::jwk::Jwk;
use serde::Serialize;

use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::signer::{Pace, Signer, SigningError};

/// No `Debug`: it holds a secret.
pub struct SigningKey {
    signer: Box<dyn Signer>,
    algorithm: SigningAlgorithm,
    jwk: Jwk,
    kid: String,
    /// The encoded JOSE header and its dot, the same for every token of this key.
    header: String,
    /// Signatures not yet added to the key's record.
    signatures: AtomicU64,
}

impl SigningKey {
    /// A key whose private half is `signer` and whose public half is `jwk`.
    pub fn new(signer: Box<dyn Signer>, algorithm: SigningAlgorithm, jwk: Jwk) -> Result<Self, SigningError> {
        let unusable = SigningError::Unusable(algorithm);
        let kid = jwk.common.key_id.clone().ok_or_else(|| unusable.clone())?;
        let header = Header { kid: Some(kid.clone()), ..Header::new(algorithm.of_a_header()) };
        let json = serde_json::to_vec(&header).map_err(|_| unusable)?;
        let header = URL_SAFE_NO_PAD.encode(json) + ".";
        Ok(Self { signer, algorithm, jwk, kid, header, signatures: AtomicU64::new(0) })
    }

    /// The key id: the thumbprint of the JWK (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm of its signatures.
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The public half (RFC 7517).
    pub fn public_jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// What a signature costs.
    pub fn pace(&self) -> Pace {
        self.signer.pace()
    }

    /// The JWS signing input for `claims` (RFC 7515 §5.1): encoded header, dot, encoded payload.
    pub fn signing_input(&self, claims: &impl Serialize) -> Result<String, SigningError> {
        let payload = serde_json::to_vec(claims).map_err(|error| SigningError::Failed(error.to_string()))?;
        let mut input = String::with_capacity(self.header.len() + payload.len() * 4 / 3 + 400);
        input.push_str(&self.header);
        URL_SAFE_NO_PAD.encode_string(payload, &mut input);
        Ok(input)
    }

    /// Appends the signature to `input`. Blocks.
    pub fn sign(&self, mut input: String) -> Result<String, SigningError> {
        let signature = self.signer.sign(input.as_bytes())?;
        self.signatures.fetch_add(1, Ordering::Relaxed);
        input.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut input);
        Ok(input)
    }

    /// Signs a probe and verifies it with the public half: a key that fails either must never be published.
    /// Blocks.
    pub fn probe(&self) -> Result<(), SigningError> {
        const PROBE: &[u8] = b"runmint/probe";
        let signature = self.signer.sign(PROBE)?;
        let verified = jsonwebtoken::DecodingKey::from_jwk(&self.jwk).and_then(|key| {
            let signature = URL_SAFE_NO_PAD.encode(signature);
            jsonwebtoken::crypto::verify(&signature, PROBE, &key, self.algorithm.of_a_header())
        });
        match verified {
            Ok(true) => Ok(()),
            _ => Err(SigningError::Unusable(self.algorithm)),
        }
    }

    /// The number of signatures since the last call.
    pub fn take_signatures(&self) -> u64 {
        self.signatures.swap(0, Ordering::Relaxed)
    }

    /// Adds back a count that could not be recorded.
    pub fn return_signatures(&self, count: u64) {
        self.signatures.fetch_add(count, Ordering::Relaxed);
    }
}
