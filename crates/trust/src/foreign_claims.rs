//! What a foreign token may say (RFC 7519 §4.1).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::foreign_refusal::ForeignTokenError;
use crate::token::LEEWAY;

/// As long as tokens may live of an issuer for which nobody said anything else.
pub const DEFAULT_MAX_LIFETIME: SignedDuration = SignedDuration::from_hours(25);

pub const MAX_SUBJECT_BYTES: usize = 1024;
const MAX_TOKEN_ID_BYTES: usize = 1024;

/// What a token must be to be believed.
#[derive(Clone, Copy, Debug)]
pub struct Expectations<'a> {
    /// The registered URL, byte for byte.
    pub issuer: &'a str,
    /// From `iat`, or from now, to `exp`.
    pub max_lifetime: SignedDuration,
    pub now: Timestamp,
}

/// The claims of a token that its issuer signed and whose times hold. It may be for another relying party:
/// [`AuthenticClaims::for_one_of`] comes next.
#[derive(Clone, Debug)]
pub struct AuthenticClaims {
    claims: Map<String, Value>,
    subject: String,
    audiences: Vec<String>,
    expires_at: Timestamp,
    issued_at: Option<Timestamp>,
    token_id: Option<String>,
    digest: [u8; 32],
}

/// The claims of a token whose issuer, signature, times and audience were checked.
#[derive(Clone, Debug)]
pub struct VerifiedClaims {
    token: AuthenticClaims,
    audience: String,
}

impl AuthenticClaims {
    /// `aud`, as a list. Empty strings stay in it, and are never accepted.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// Requires `aud` to name one of `expected`; with none expected, no token is accepted.
    ///
    /// Fails with [`ForeignTokenError::Audience`].
    pub fn for_one_of(self, expected: &[String]) -> Result<VerifiedClaims, ForeignTokenError> {
        self.for_one_of_or(expected, |_| false)
    }

    /// Like [`AuthenticClaims::for_one_of`], where `or` may accept another audience.
    pub(crate) fn for_one_of_or(
        self,
        expected: &[String],
        or: impl Fn(&str) -> bool,
    ) -> Result<VerifiedClaims, ForeignTokenError> {
        let expected_one =
            expected.iter().find(|wanted| !wanted.is_empty() && self.audiences.contains(wanted));
        let accepted =
            expected_one.or_else(|| self.audiences.iter().find(|found| !found.is_empty() && or(found)));
        match accepted.cloned() {
            Some(audience) => Ok(VerifiedClaims { token: self, audience }),
            None => Err(ForeignTokenError::Audience { expected: expected.to_vec(), found: self.audiences }),
        }
    }
}

impl VerifiedClaims {
    pub fn all(&self) -> &Map<String, Value> {
        &self.token.claims
    }

    pub fn subject(&self) -> &str {
        &self.token.subject
    }

    /// The audience by which the token was accepted.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    pub fn expires_at(&self) -> Timestamp {
        self.token.expires_at
    }

    pub fn issued_at(&self) -> Option<Timestamp> {
        self.token.issued_at
    }

    /// `jti`, by which the issuer tells its tokens apart (RFC 7519 §4.1.7). Not all have it.
    pub fn token_id(&self) -> Option<&str> {
        self.token.token_id.as_deref()
    }

    /// SHA-256 of header and payload as they were signed: equal for every copy of the token, however its
    /// signature is spelled.
    pub fn digest(&self) -> &[u8; 32] {
        &self.token.digest
    }
}

/// The claims when they are as `expected`. The signature was checked before.
pub(super) fn authentic(
    claims: &Map<String, Value>,
    digest: [u8; 32],
    expected: &Expectations<'_>,
) -> Result<AuthenticClaims, ForeignTokenError> {
    let (expires_at, issued_at) = check_times(claims, expected)?;
    let audiences = audiences(claims)?;
    let subject = text(claims, "sub")?;
    if subject.len() > MAX_SUBJECT_BYTES {
        return Err(ForeignTokenError::Claim { name: "sub", wanted: "at most 1024 bytes long" });
    }
    let token_id = claims.contains_key("jti").then(|| text(claims, "jti")).transpose()?;
    if token_id.is_some_and(|id| id.len() > MAX_TOKEN_ID_BYTES) {
        return Err(ForeignTokenError::Claim { name: "jti", wanted: "at most 1024 bytes long" });
    }
    Ok(AuthenticClaims {
        subject: subject.to_owned(),
        token_id: token_id.map(str::to_owned),
        claims: claims.clone(),
        audiences,
        expires_at,
        issued_at,
        digest,
    })
}

/// A claim that must be a string with something in it.
pub(super) fn text<'c>(
    claims: &'c Map<String, Value>,
    name: &'static str,
) -> Result<&'c str, ForeignTokenError> {
    match claims.get(name) {
        None => Err(ForeignTokenError::MissingClaim(name)),
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(_) => Err(ForeignTokenError::Claim { name, wanted: "a string that is not empty" }),
    }
}

/// `exp` is required; `nbf` and `iat` are checked where they are there. What is no number is a refusal, never
/// an absence (CVE-2026-25537).
fn check_times(
    claims: &Map<String, Value>,
    expected: &Expectations<'_>,
) -> Result<(Timestamp, Option<Timestamp>), ForeignTokenError> {
    let now = expected.now;
    let expires_at = time(claims, "exp")?.ok_or(ForeignTokenError::MissingClaim("exp"))?;
    let (not_before, issued_at) = (time(claims, "nbf")?, time(claims, "iat")?);
    if since(expires_at, now) >= LEEWAY {
        return Err(ForeignTokenError::Expired(expires_at));
    }
    if let Some(not_before) = not_before
        && since(now, not_before) > LEEWAY
    {
        return Err(ForeignTokenError::NotYetValid(not_before));
    }
    if let Some(issued_at) = issued_at
        && since(now, issued_at) > LEEWAY
    {
        return Err(ForeignTokenError::IssuedInFuture(issued_at));
    }
    let lifetime = since(issued_at.unwrap_or(now), expires_at);
    if lifetime > expected.max_lifetime {
        return Err(ForeignTokenError::Lifetime { found: lifetime, most: expected.max_lifetime });
    }
    Ok((expires_at, issued_at))
}

/// How long after `earlier` `later` is. Differences of timestamps are exact, and no sum can overflow.
fn since(earlier: Timestamp, later: Timestamp) -> SignedDuration {
    later.duration_since(earlier)
}

/// A NumericDate: seconds, possibly with a fraction (RFC 7519 §2).
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, ForeignTokenError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let at = match value {
        Value::Number(number) => match number.as_i64() {
            Some(seconds) => Timestamp::from_second(seconds).ok(),
            None => number
                .as_f64()
                .and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok())
                .and_then(|since_epoch| Timestamp::from_duration(since_epoch).ok()),
        },
        _ => None,
    };
    at.map(Some).ok_or(ForeignTokenError::Claim { name, wanted: "a number of seconds since 1970" })
}

/// `aud` is a string or an array of strings (RFC 7519 §4.1.3). A list with one wrong element is not a list of
/// audiences.
fn audiences(claims: &Map<String, Value>) -> Result<Vec<String>, ForeignTokenError> {
    let wrong = ForeignTokenError::Claim { name: "aud", wanted: "a string, or an array of strings" };
    match claims.get("aud") {
        None => Err(ForeignTokenError::MissingClaim("aud")),
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(several)) => {
            let texts = several.iter().map(|one| one.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or(wrong)
        }
        Some(_) => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl AuthenticClaims {
        /// Of claims that nobody signed, without times.
        pub(crate) fn of(claims: &Map<String, Value>) -> Self {
            Self {
                subject: String::new(),
                audiences: audiences(claims).unwrap(),
                claims: claims.clone(),
                expires_at: Timestamp::MAX,
                issued_at: None,
                token_id: None,
                digest: [0; 32],
            }
        }
    }
}
