//! Why a token is refused.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::algorithm::Algorithm;
use super::limits::MAX_TOKEN_BYTES;

/// The fault of a token, the first one found. Texts from the token are shown escaped and shortened, so that they
/// cannot forge a line of a log.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TokenError {
    #[error("the token has {0} bytes; at most {MAX_TOKEN_BYTES} are accepted")]
    TooLong(usize),
    #[error("not a signed JWT: {0}")]
    Malformed(String),
    #[error("the header has `crit`, and no critical extension is supported")]
    Critical,
    #[error("the header has `{0}`, which only encrypted tokens have")]
    Encrypted(&'static str),
    #[error("the header's `typ` is `{found}`; an ID token has `JWT` or no `typ`", found = Shown(.0))]
    Type(String),
    #[error("the algorithm `{found}` is not accepted", found = Shown(.0))]
    Algorithm(String),
    #[error("the claim `{0}` is missing")]
    MissingClaim(&'static str),
    #[error("the claim `{name}` must be {wanted}")]
    Claim { name: &'static str, wanted: &'static str },
    #[error("key `{id}` is not in the issuer's key set", id = Shown(.0))]
    UnknownKey(String),
    #[error("the header has no `kid`, and {fitting} keys of the issuer fit")]
    NoKeyId { fitting: usize },
    #[error("the issuer's key set has several keys `{id}`", id = Shown(.0))]
    AmbiguousKey(String),
    #[error("key `{id}` is not for {algorithm}", id = Shown(key_id))]
    KeyAlgorithm { key_id: String, algorithm: Algorithm },
    #[error("the signature is wrong: the token was changed, or another key signed it")]
    Signature,
    #[error("the issuer is `{found}`, expected `{expected}`", found = Shown(found))]
    Issuer { expected: String, found: String },
    #[error("it expired at {0}")]
    Expired(Timestamp),
    #[error("it is not valid before {0}")]
    NotYetValid(Timestamp),
    #[error("it was issued in the future, at {0}")]
    IssuedInFuture(Timestamp),
    #[error("it lives for {found:#}; tokens of this issuer may live for at most {most:#}")]
    Lifetime { found: SignedDuration, most: SignedDuration },
    #[error("the audience is {found}, expected {expected}", found = List(found), expected = List(expected))]
    Audience { expected: Vec<String>, found: Vec<String> },
}

/// As much as the sender of a refused token is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalClass {
    Malformed,
    /// `iss` is another issuer than the expected one.
    Issuer,
    UnknownKey,
    Signature,
    Expired,
    NotYetValid,
    Lifetime,
    Audience,
}

impl TokenError {
    /// Its class, which the token endpoint maps to a `reason`.
    pub fn class(&self) -> RefusalClass {
        match self {
            Self::TooLong(_)
            | Self::Malformed(_)
            | Self::Critical
            | Self::Encrypted(_)
            | Self::Type(_)
            | Self::Algorithm(_)
            | Self::MissingClaim(_)
            | Self::Claim { .. } => RefusalClass::Malformed,
            Self::Issuer { .. } => RefusalClass::Issuer,
            Self::UnknownKey(_)
            | Self::NoKeyId { .. }
            | Self::AmbiguousKey(_)
            | Self::KeyAlgorithm { .. } => RefusalClass::UnknownKey,
            Self::Signature => RefusalClass::Signature,
            Self::Expired(_) => RefusalClass::Expired,
            Self::NotYetValid(_) | Self::IssuedInFuture(_) => RefusalClass::NotYetValid,
            Self::Lifetime { .. } => RefusalClass::Lifetime,
            Self::Audience { .. } => RefusalClass::Audience,
        }
    }

    /// Whether the issuer may have published a key since that would verify the token.
    pub fn asks_for_another_key(&self) -> bool {
        matches!(self, Self::UnknownKey(_) | Self::NoKeyId { fitting: 0 })
    }
}

struct Shown<'t>(&'t str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 200;
        let mut characters = self.0.chars();
        for character in characters.by_ref().take(MOST) {
            write!(f, "{}", character.escape_debug())?;
        }
        if characters.next().is_some() { f.write_str("…") } else { Ok(()) }
    }
}

struct List<'t>(&'t [String]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 10;
        for (index, text) in self.0.iter().take(MOST).enumerate() {
            let before = if index == 0 { "" } else { " or " };
            write!(f, "{before}`{}`", Shown(text))?;
        }
        if self.0.len() > MOST { f.write_str(" or …") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_token_cannot_forge_a_line() {
        let id = format!("a\n2026-01-01 INFO fine\u{1b}[2J{}", "x".repeat(500));
        let shown = TokenError::UnknownKey(id).to_string();
        assert!(!shown.contains(['\n', '\u{1b}']) && shown.chars().count() < 300, "{shown}");
        let found = vec!["x".to_owned(); 50];
        let expected = vec!["urn:runmint:org:acme".to_owned(), "urn:pulumi:org:acme".to_owned()];
        let shown = TokenError::Audience { expected, found }.to_string();
        assert!(shown.ends_with("or …, expected `urn:runmint:org:acme` or `urn:pulumi:org:acme`"), "{shown}");
    }
}
