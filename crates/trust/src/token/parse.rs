//! A token, from its first byte to its signature (RFC 7515 §7.1).
//!
//! The header is never followed: `jwk`, `jku`, `x5u` and `x5c` are not read, and `kid` only selects a key of the
//! set that the caller brings, which is the one issuer's.

use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use runmint_json::object_of;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::claims::{self, AuthenticClaims, Expectations};
use super::key::VerifyingKey;
use super::key_set::KeySet;
use super::limits::MAX_TOKEN_BYTES;
use super::refusal::TokenError;

/// A token of good form. Its claims are the sender's words and no more.
pub struct UnverifiedToken<'t> {
    signing_input: &'t str,
    signature: Vec<u8>,
    algorithm: Algorithm,
    key_id: Option<String>,
    issuer: String,
    claims: Map<String, Value>,
}

impl<'t> UnverifiedToken<'t> {
    /// Refuses every token that no key could make acceptable, so that no issuer is asked for keys on its behalf.
    ///
    /// Fails with the errors of [`TokenError`] whose class is malformed.
    pub fn parse(text: &'t str) -> Result<Self, TokenError> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong(text.len()));
        }
        let (signing_input, header, claims, signature) = split(text)?;
        let header = object("header", header)?;
        let (algorithm, key_id) = read_header(&header)?;
        let claims = object("payload", claims)?;
        let issuer = claims::text(&claims, "iss")?.to_owned();
        let signature = decode("signature", signature)?;
        Ok(Self { signing_input, signature, algorithm, key_id, issuer, claims })
    }

    /// `iss`, as the sender wrote it. No issuer may be asked for keys before this equals a registered URL byte
    /// for byte.
    pub fn claimed_issuer(&self) -> &str {
        &self.issuer
    }

    /// The payload, as the sender wrote it.
    pub fn unverified_claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// `kid` of the header (RFC 7515 §4.1.4).
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// `alg` of the header (RFC 7515 §4.1.1).
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Checks issuer, signature, times, lifetime and the form of the other claims, in this order. `keys` must be
    /// those of `expected.issuer`. The audience is the caller's next check.
    ///
    /// Fails with any error of [`TokenError`] but those of [`UnverifiedToken::parse`] and
    /// [`TokenError::Audience`].
    pub fn verify(&self, keys: &KeySet, expected: &Expectations<'_>) -> Result<AuthenticClaims, TokenError> {
        if self.issuer != expected.issuer {
            let (expected, found) = (expected.issuer.to_owned(), self.issuer.clone());
            return Err(TokenError::Issuer { expected, found });
        }
        self.check_signature(keys)?;
        claims::authentic(&self.claims, self.digest(), expected)
    }

    /// The key of `keys` that the header names, if the signature was made by it.
    ///
    /// Fails with the errors of [`KeySet::key_for`], and with [`TokenError::Signature`].
    pub fn check_signature<'k>(&self, keys: &'k KeySet) -> Result<&'k VerifyingKey, TokenError> {
        let key = keys.key_for(self.key_id(), self.algorithm)?;
        if key.verifies(self.algorithm, self.signing_input.as_bytes(), &self.signature) {
            Ok(key)
        } else {
            Err(TokenError::Signature)
        }
    }

    /// Of what was signed and not of the signature: anyone can make a second ECDSA signature from a first one.
    fn digest(&self) -> [u8; 32] {
        let digest = digest(&SHA256, self.signing_input.as_bytes());
        digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }
}

/// Signing input, header, claims and signature. Encrypted tokens have five parts and stay unopened.
fn split(text: &str) -> Result<(&str, &str, &str, &str), TokenError> {
    let mut parts = text.split('.');
    if let (Some(header), Some(claims), Some(signature), 0) =
        (parts.next(), parts.next(), parts.next(), parts.count())
    {
        let signing_input = &text[..header.len() + 1 + claims.len()];
        return Ok((signing_input, header, claims, signature));
    }
    let parts = text.split('.').count();
    Err(TokenError::Malformed(format!("it must have 3 parts separated by dots, found {parts}")))
}

fn read_header(header: &Map<String, Value>) -> Result<(Algorithm, Option<String>), TokenError> {
    // Any `crit`, even an empty one, asks for an extension, and none is supported (RFC 7515 §4.1.11).
    if header.contains_key("crit") {
        return Err(TokenError::Critical);
    }
    for name in ["enc", "zip"] {
        if header.contains_key(name) {
            return Err(TokenError::Encrypted(name));
        }
    }
    let algorithm = header_text(header, "alg")?.ok_or_else(|| malformed("header", &"`alg` is missing"))?;
    let algorithm = Algorithm::named(algorithm).ok_or_else(|| TokenError::Algorithm(algorithm.to_owned()))?;
    // Tokens of one kind must not pass for another (RFC 8725 §3.11): `at+jwt` is an access token (RFC 9068
    // §2.1), `logout+jwt` a logout token. Media types are case-insensitive (RFC 7515 §4.1.9).
    let typ = header_text(header, "typ")?;
    if let Some(typ) = typ
        && !["JWT", "application/jwt"].iter().any(|accepted| typ.eq_ignore_ascii_case(accepted))
    {
        return Err(TokenError::Type(typ.to_owned()));
    }
    Ok((algorithm, header_text(header, "kid")?.map(str::to_owned)))
}

fn header_text<'h>(header: &'h Map<String, Value>, name: &str) -> Result<Option<&'h str>, TokenError> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(malformed("header", &format_args!("`{name}` is not a string"))),
    }
}

fn object(part: &str, encoded: &str) -> Result<Map<String, Value>, TokenError> {
    object_of(&decode(part, encoded)?).map_err(|error| malformed(part, &error))
}

/// Base64url without padding and with no bits to spare (RFC 7515 §2): one spelling for each content.
fn decode(part: &str, encoded: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(encoded).map_err(|error| malformed(part, &error))
}

fn malformed(part: &str, why: &dyn Display) -> TokenError {
    TokenError::Malformed(format!("{part}: {why}"))
}
