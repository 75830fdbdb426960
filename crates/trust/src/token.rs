//! Verifying an ID token against a key set.
//!
//! `jsonwebtoken` reads the header and checks the signature. Its clock and its lenient claim checks are
//! not used: claims are read and times are checked here, against a time that is passed in, and a time
//! that is not a number is a refusal, never an absence.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, decode_header};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::object_of;

/// Longer tokens are refused before anything in them is looked at.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// How far clocks may differ.
pub const LEEWAY: SignedDuration = SignedDuration::from_secs(60);

/// Asymmetric signatures only: never `none`, never a shared secret (RFC 8725 §3.1).
const ALGORITHMS: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// A token as it arrived. Its claims are what somebody wrote, and no more.
pub struct UnverifiedToken<'t> {
    text: &'t str,
    header: Header,
    critical: bool,
    claims: Map<String, Value>,
}

/// The claims of a token whose signature, issuer and times were checked.
#[derive(Debug)]
pub struct VerifiedToken {
    claims: Map<String, Value>,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum TokenError {
    #[error("the token has {0} bytes; at most {MAX_TOKEN_BYTES} are read")]
    TooLong(usize),
    #[error("this is not a signed JWT: {0}")]
    Malformed(String),
    #[error("the header has `crit`, which nothing here understands")]
    Critical,
    #[error("the algorithm {0} is not accepted")]
    Algorithm(String),
    #[error("the header names no key (`kid`)")]
    NoKeyId,
    #[error("key `{0}` is not in the key set")]
    UnknownKey(String),
    #[error("key `{kid}` is not for {algorithm}")]
    KeyAlgorithm { kid: String, algorithm: String },
    #[error("the signature is wrong: the token was changed, or another key made it")]
    Signature,
    #[error("the issuer is `{found}`, expected `{expected}`")]
    Issuer { expected: String, found: String },
    #[error("the audience is `{found}`, expected `{expected}`")]
    Audience { expected: String, found: String },
    #[error("claim `{0}` is missing or not a whole number")]
    NotATime(&'static str),
    #[error("it expired at {0}")]
    Expired(Timestamp),
    #[error("it is not valid before {0}")]
    NotYetValid(Timestamp),
    #[error("it claims to be issued in the future, at {0}")]
    IssuedInFuture(Timestamp),
}

impl<'t> UnverifiedToken<'t> {
    pub fn parse(text: &'t str) -> Result<Self, TokenError> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong(text.len()));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [encoded_header, encoded_claims, _] = parts[..] else {
            return Err(TokenError::Malformed(format!("it has {} parts, not 3", parts.len())));
        };
        let malformed = |error: jsonwebtoken::errors::Error| TokenError::Malformed(error.to_string());
        let header = decode_header(text).map_err(malformed)?;
        let (raw_header, claims) = (object(encoded_header)?, object(encoded_claims)?);
        // Any `crit`, even `null`, asks for what nothing here does (RFC 7515 §4.1.11).
        Ok(Self { text, header, critical: raw_header.contains_key("crit"), claims })
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Unverified: for showing, and for finding out whom to ask for keys.
    pub fn unverified_claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Checks the signature by the key of `keys` that the header names, then issuer and times.
    pub fn verify(&self, keys: &JwkSet, issuer: &str, now: Timestamp) -> Result<VerifiedToken, TokenError> {
        let verified = self.verify_signature(keys)?;
        match verified.claims.get("iss").and_then(Value::as_str) {
            Some(found) if found == issuer => {}
            found => {
                return Err(TokenError::Issuer {
                    expected: issuer.to_owned(),
                    found: found.unwrap_or("(none)").to_owned(),
                });
            }
        }
        check_times(&verified.claims, now)?;
        Ok(verified)
    }

    fn verify_signature(&self, keys: &JwkSet) -> Result<VerifiedToken, TokenError> {
        if self.critical {
            return Err(TokenError::Critical);
        }
        let algorithm = self.header.alg;
        let algorithm_name = format!("{algorithm:?}");
        if !ALGORITHMS.contains(&algorithm) {
            return Err(TokenError::Algorithm(algorithm_name));
        }
        let kid = self.header.kid.as_deref().ok_or(TokenError::NoKeyId)?;
        let key = keys.find(kid).ok_or_else(|| TokenError::UnknownKey(kid.to_owned()))?;
        let wrong_key =
            || TokenError::KeyAlgorithm { kid: kid.to_owned(), algorithm: algorithm_name.clone() };
        if key.common.public_key_use.as_ref().is_some_and(|used_for| *used_for != PublicKeyUse::Signature) {
            return Err(wrong_key());
        }
        if key.common.key_algorithm.is_some_and(|of_key| of_key.to_string() != algorithm_name) {
            return Err(wrong_key());
        }
        let key = DecodingKey::from_jwk(key).map_err(|_| wrong_key())?;
        if key.family() != algorithm.family() {
            return Err(wrong_key());
        }
        let (message, signature) = self.text.rsplit_once('.').ok_or(TokenError::Signature)?;
        // The library's own reading of the claims stays out of it: it knows fewer refusals than we do.
        match jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, algorithm) {
            Ok(true) => Ok(VerifiedToken { claims: self.claims.clone() }),
            Ok(false) | Err(_) => Err(TokenError::Signature),
        }
    }
}

impl VerifiedToken {
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Checks that the token is for `expected` and nobody else.
    pub fn for_audience(&self, expected: &str) -> Result<(), TokenError> {
        let audience = self.claims.get("aud");
        let matches = match audience {
            Some(Value::String(one)) => one == expected,
            Some(Value::Array(several)) => several.len() == 1 && several[0] == expected,
            _ => false,
        };
        let found = || match audience {
            Some(Value::String(one)) => one.clone(),
            Some(other) => other.to_string(),
            None => "(none)".to_owned(),
        };
        if matches {
            Ok(())
        } else {
            Err(TokenError::Audience { expected: expected.to_owned(), found: found() })
        }
    }
}

/// One part of a token as a JSON object in which no member stands twice.
fn object(encoded: &str) -> Result<Map<String, Value>, TokenError> {
    let malformed = |error: &dyn fmt::Display| TokenError::Malformed(error.to_string());
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|error| malformed(&error))?;
    object_of(&bytes).map_err(|error| malformed(&error))
}

/// `exp` and `iat` are required, `nbf` is checked when present; all are whole numbers of seconds.
fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), TokenError> {
    let time = |name: &'static str| {
        let seconds = claims.get(name).and_then(Value::as_i64);
        seconds.and_then(|s| Timestamp::from_second(s).ok()).ok_or(TokenError::NotATime(name))
    };
    let (expires_at, issued_at) = (time("exp")?, time("iat")?);
    if now - LEEWAY >= expires_at {
        return Err(TokenError::Expired(expires_at));
    }
    if claims.contains_key("nbf") {
        let not_before = time("nbf")?;
        if now + LEEWAY < not_before {
            return Err(TokenError::NotYetValid(not_before));
        }
    }
    if now + LEEWAY < issued_at {
        return Err(TokenError::IssuedInFuture(issued_at));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
