//! A token that another issuer made, from the first byte to its signature (RFC 7515, RFC 7519, RFC 8725).
//!
//! Nothing in the header is followed: `jwk`, `jku`, `x5u` and `x5c` are not looked at, `kid` only selects a
//! key of the set that the caller brings, and that set is of the one issuer that was registered.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

pub use crate::foreign_claims::{AuthenticClaims, Expectations, VerifiedClaims};
pub use crate::foreign_refusal::{ForeignTokenError, RefusalClass};

use crate::algorithm::Algorithm;
use crate::foreign_claims;
use crate::key_set::KeySet;
use crate::object_of;

pub use crate::token::MAX_TOKEN_BYTES;

/// A token of good form. What it says is what somebody wrote, and no more.
pub struct ForeignToken<'t> {
    signing_input: &'t str,
    signature: Vec<u8>,
    algorithm: Algorithm,
    key_id: Option<String>,
    issuer: String,
    claims: Map<String, Value>,
}

impl<'t> ForeignToken<'t> {
    /// Refuses whatever could not be accepted with any key, so that no issuer is asked on its behalf.
    pub fn parse(text: &'t str) -> Result<Self, ForeignTokenError> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(ForeignTokenError::TooLong(text.len()));
        }
        let (signing_input, header, claims, signature) = split(text)?;
        let header = object("header", header)?;
        let (algorithm, key_id) = read_header(&header)?;
        let claims = object("payload", claims)?;
        let issuer = foreign_claims::text(&claims, "iss")?.to_owned();
        let signature = decode("signature", signature)?;
        Ok(Self { signing_input, signature, algorithm, key_id, issuer, claims })
    }

    /// Who made the token, by its own account. Until this equals a registered URL byte for byte, nobody is to
    /// be asked for keys.
    pub fn claimed_issuer(&self) -> &str {
        &self.issuer
    }

    /// What it says, which anybody may have written.
    pub fn claimed(&self) -> &Map<String, Value> {
        &self.claims
    }

    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Checks issuer, signature, times, lifetime and the form of the other claims, in this order. `keys` must be
    /// those of `expected.issuer` and no other's. The audience comes after all of this.
    pub fn verify(
        &self,
        keys: &KeySet,
        expected: &Expectations<'_>,
    ) -> Result<AuthenticClaims, ForeignTokenError> {
        if self.issuer != expected.issuer {
            let (expected, found) = (expected.issuer.to_owned(), self.issuer.clone());
            return Err(ForeignTokenError::Issuer { expected, found });
        }
        let key = keys.key_for(self.key_id(), self.algorithm)?;
        if !key.verifies(self.algorithm, self.signing_input.as_bytes(), &self.signature) {
            return Err(ForeignTokenError::Signature);
        }
        foreign_claims::authentic(&self.claims, self.digest(), expected)
    }

    /// Of what was signed, and not of the signature: of an ECDSA signature anybody can make a second one.
    fn digest(&self) -> [u8; 32] {
        let digest = digest(&SHA256, self.signing_input.as_bytes());
        digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }
}

/// What is signed, header, claims and signature. Encrypted tokens have five parts and stay unopened.
fn split(text: &str) -> Result<(&str, &str, &str, &str), ForeignTokenError> {
    let mut parts = text.split('.');
    if let (Some(header), Some(claims), Some(signature), 0) =
        (parts.next(), parts.next(), parts.next(), parts.count())
    {
        let signing_input = &text[..header.len() + 1 + claims.len()];
        return Ok((signing_input, header, claims, signature));
    }
    let parts = text.split('.').count();
    Err(ForeignTokenError::Malformed(format!("it has {parts} parts, not 3")))
}

fn read_header(header: &Map<String, Value>) -> Result<(Algorithm, Option<String>), ForeignTokenError> {
    // Any `crit`, even an empty one, asks for what nothing here does (RFC 7515 §4.1.11).
    if header.contains_key("crit") {
        return Err(ForeignTokenError::Critical);
    }
    for name in ["enc", "zip"] {
        if header.contains_key(name) {
            return Err(ForeignTokenError::Encrypted(name));
        }
    }
    let algorithm = header_text(header, "alg")?.ok_or_else(|| malformed("header", &"`alg` is missing"))?;
    let algorithm =
        Algorithm::named(algorithm).ok_or_else(|| ForeignTokenError::Algorithm(algorithm.to_owned()))?;
    // Tokens of one kind must not pass for another (RFC 8725 §3.11): `at+jwt` is an access token (RFC 9068
    // §2.1), `logout+jwt` a logout token. The name of a media type has no case (RFC 7515 §4.1.9).
    let typ = header_text(header, "typ")?;
    if let Some(typ) = typ
        && !["JWT", "application/jwt"].iter().any(|accepted| typ.eq_ignore_ascii_case(accepted))
    {
        return Err(ForeignTokenError::Type(typ.to_owned()));
    }
    Ok((algorithm, header_text(header, "kid")?.map(str::to_owned)))
}

fn header_text<'h>(header: &'h Map<String, Value>, name: &str) -> Result<Option<&'h str>, ForeignTokenError> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(malformed("header", &format_args!("`{name}` is no string"))),
    }
}

fn object(part: &str, encoded: &str) -> Result<Map<String, Value>, ForeignTokenError> {
    object_of(&decode(part, encoded)?).map_err(|error| malformed(part, &error))
}

/// Base64url without padding and with no bits to spare (RFC 7515 §2): one spelling for each content.
fn decode(part: &str, encoded: &str) -> Result<Vec<u8>, ForeignTokenError> {
    URL_SAFE_NO_PAD.decode(encoded).map_err(|error| malformed(part, &error))
}

fn malformed(part: &str, why: &dyn std::fmt::Display) -> ForeignTokenError {
    ForeignTokenError::Malformed(format!("{part}: {why}"))
}
