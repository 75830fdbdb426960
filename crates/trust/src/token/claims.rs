//! The registered claims of a token (RFC 7519 §4.1).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::limits::{LEEWAY, MAX_SUBJECT_BYTES, MAX_TOKEN_ID_BYTES};
use super::refusal::TokenError;

/// What [`super::UnverifiedToken::verify`] requires of a token.
#[derive(Clone, Copy, Debug)]
pub struct Expectations<'a> {
    /// The issuer's URL, byte for byte.
    pub issuer: &'a str,
    /// From `iat`, or from now, to `exp`.
    pub max_lifetime: SignedDuration,
    pub now: Timestamp,
}

/// The claims of a token that its issuer signed and whose times hold. It may still be for another relying party:
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
    /// Requires `aud` to name one of `expected` (RFC 8725 §3.9). If `expected` is empty, no token is accepted.
    ///
    /// Fails with [`TokenError::Audience`].
    pub fn for_one_of(self, expected: &[String]) -> Result<VerifiedClaims, TokenError> {
        self.for_one_of_or(expected, |_| false)
    }

    /// Requires `aud` to name `expected` and no other audience.
    ///
    /// Fails with [`TokenError::Audience`].
    pub fn only_for(self, expected: &str) -> Result<VerifiedClaims, TokenError> {
        let expected = [expected.to_owned()];
        if self.audiences == expected {
            return self.for_one_of(&expected);
        }
        Err(TokenError::Audience { expected: expected.into(), found: self.audiences })
    }

    /// Like [`AuthenticClaims::for_one_of`], where `or` may accept another audience.
    pub(crate) fn for_one_of_or(
        self,
        expected: &[String],
        or: impl Fn(&str) -> bool,
    ) -> Result<VerifiedClaims, TokenError> {
        let found = |wanted: &&String| !wanted.is_empty() && self.audiences.contains(wanted);
        let accepted = expected
            .iter()
            .find(found)
            .or_else(|| self.audiences.iter().find(|audience| !audience.is_empty() && or(audience)));
        match accepted.cloned() {
            Some(audience) => Ok(VerifiedClaims { token: self, audience }),
            None => Err(TokenError::Audience { expected: expected.to_vec(), found: self.audiences }),
        }
    }
}

impl VerifiedClaims {
    /// The whole payload.
    pub fn all(&self) -> &Map<String, Value> {
        &self.token.claims
    }

    /// `sub`, which is not empty.
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

    /// `jti`, by which the issuer tells its tokens apart (RFC 7519 §4.1.7). Not every issuer sets it.
    pub fn token_id(&self) -> Option<&str> {
        self.token.token_id.as_deref()
    }

    /// SHA-256 of header and payload as they were signed: equal for every copy of the token, however its
    /// signature is spelled.
    pub fn digest(&self) -> &[u8; 32] {
        &self.token.digest
    }
}

/// The claims, if their times hold and their form is right. The caller has checked the signature.
pub(super) fn authentic(
    claims: &Map<String, Value>,
    digest: [u8; 32],
    expected: &Expectations<'_>,
) -> Result<AuthenticClaims, TokenError> {
    let (expires_at, issued_at) = check_times(claims, expected)?;
    let audiences = audiences(claims)?;
    let subject = subject(claims)?;
    let token_id = claims.contains_key("jti").then(|| text(claims, "jti")).transpose()?;
    if token_id.is_some_and(|id| id.len() > MAX_TOKEN_ID_BYTES) {
        return Err(TokenError::Claim { name: "jti", wanted: "at most 1024 bytes long" });
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

/// A claim that must be a non-empty string.
pub(super) fn text<'c>(claims: &'c Map<String, Value>, name: &'static str) -> Result<&'c str, TokenError> {
    match claims.get(name) {
        None => Err(TokenError::MissingClaim(name)),
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(_) => Err(TokenError::Claim { name, wanted: "a string that is not empty" }),
    }
}

/// `sub`: 1 to [`MAX_SUBJECT_BYTES`] bytes (RFC 7519 §4.1.2).
///
/// Fails with [`TokenError::MissingClaim`] or [`TokenError::Claim`].
pub fn subject(claims: &Map<String, Value>) -> Result<&str, TokenError> {
    let subject = text(claims, "sub")?;
    if subject.len() > MAX_SUBJECT_BYTES {
        return Err(TokenError::Claim { name: "sub", wanted: "at most 1024 bytes long" });
    }
    Ok(subject)
}

/// `aud`, a string or an array of strings, as a list (RFC 7519 §4.1.3). An array with one element of another type
/// is not a list of audiences. Empty strings stay in the list, and are never accepted.
///
/// Fails with [`TokenError::MissingClaim`] or [`TokenError::Claim`].
pub fn audiences(claims: &Map<String, Value>) -> Result<Vec<String>, TokenError> {
    let wrong = TokenError::Claim { name: "aud", wanted: "a string, or an array of strings" };
    match claims.get("aud") {
        None => Err(TokenError::MissingClaim("aud")),
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(several)) => {
            let texts = several.iter().map(|one| one.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or(wrong)
        }
        Some(_) => Err(wrong),
    }
}

/// A NumericDate: seconds since 1970, possibly with a fraction (RFC 7519 §2). `None` if the claim is absent: a
/// value that is not a number is refused and does not count as absent (CVE-2026-25537).
///
/// Fails with [`TokenError::Claim`].
pub fn date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, TokenError> {
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
    at.map(Some).ok_or(TokenError::Claim { name, wanted: "a number of seconds since 1970" })
}

/// `exp`, which every token must have (RFC 7519 §4.1.4).
///
/// Fails with [`TokenError::MissingClaim`] or [`TokenError::Claim`].
pub fn expiry(claims: &Map<String, Value>) -> Result<Timestamp, TokenError> {
    date(claims, "exp")?.ok_or(TokenError::MissingClaim("exp"))
}

/// Fails with [`TokenError::Expired`] from [`LEEWAY`] after `expires_at` on.
pub fn check_expiry(expires_at: Timestamp, now: Timestamp) -> Result<(), TokenError> {
    if since(expires_at, now) >= LEEWAY { Err(TokenError::Expired(expires_at)) } else { Ok(()) }
}

/// Fails with [`TokenError::NotYetValid`] until [`LEEWAY`] before `not_before`.
pub fn check_not_before(not_before: Timestamp, now: Timestamp) -> Result<(), TokenError> {
    if since(now, not_before) > LEEWAY { Err(TokenError::NotYetValid(not_before)) } else { Ok(()) }
}

/// Fails with [`TokenError::IssuedInFuture`] until [`LEEWAY`] before `issued_at`.
pub fn check_issued_at(issued_at: Timestamp, now: Timestamp) -> Result<(), TokenError> {
    if since(now, issued_at) > LEEWAY { Err(TokenError::IssuedInFuture(issued_at)) } else { Ok(()) }
}

/// Fails with [`TokenError::Lifetime`] if the token lives for longer than `most`, from `from` on.
pub fn check_lifetime(
    from: Timestamp,
    expires_at: Timestamp,
    most: SignedDuration,
) -> Result<(), TokenError> {
    let found = since(from, expires_at);
    if found > most { Err(TokenError::Lifetime { found, most }) } else { Ok(()) }
}

/// `exp` is required; `nbf` and `iat` are checked if present.
fn check_times(
    claims: &Map<String, Value>,
    expected: &Expectations<'_>,
) -> Result<(Timestamp, Option<Timestamp>), TokenError> {
    let now = expected.now;
    let expires_at = expiry(claims)?;
    let (not_before, issued_at) = (date(claims, "nbf")?, date(claims, "iat")?);
    check_expiry(expires_at, now)?;
    if let Some(not_before) = not_before {
        check_not_before(not_before, now)?;
    }
    if let Some(issued_at) = issued_at {
        check_issued_at(issued_at, now)?;
    }
    check_lifetime(issued_at.unwrap_or(now), expires_at, expected.max_lifetime)?;
    Ok((expires_at, issued_at))
}

/// How long after `earlier` `later` is. Differences of timestamps are exact, and no sum can overflow.
fn since(earlier: Timestamp, later: Timestamp) -> SignedDuration {
    later.duration_since(earlier)
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
