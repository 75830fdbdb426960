//! What is right and wrong with a token, a line for each thing.

use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;
use serde_json::{Map, Value};

use super::claims;
use super::published::{Answer, Published};
use crate::issuer::url::IssuerUrl;
use crate::trust::token::{TokenError, UnverifiedToken};

/// Everything that the checks look at.
pub(super) struct Evidence<'a> {
    pub(super) text: &'a str,
    pub(super) header: Option<Map<String, Value>>,
    pub(super) claims: Option<Map<String, Value>>,
    pub(super) published: &'a Published,
    pub(super) audience: Option<&'a str>,
    pub(super) issuer: Option<&'a str>,
    pub(super) now: Timestamp,
}

#[derive(Debug)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
    pub(super) detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Right,
    Wrong,
    /// Worth knowing; makes the token neither valid nor invalid.
    Note,
    /// It could not be found out, so the token is not known to be valid.
    Unknown,
}

impl Check {
    pub(super) fn new(name: &'static str, outcome: Outcome, detail: impl Into<String>) -> Self {
        Self { name, outcome, detail: detail.into() }
    }

    pub(super) fn right(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, Outcome::Right, detail)
    }

    pub(super) fn wrong(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, Outcome::Wrong, detail)
    }

    pub(super) fn note(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, Outcome::Note, detail)
    }

    fn unknown(name: &'static str, why: &str) -> Self {
        Self::new(name, Outcome::Unknown, format!("not checked: {why}"))
    }
}

pub(super) fn all(evidence: &Evidence<'_>) -> Vec<Check> {
    let token = UnverifiedToken::parse(evidence.text);
    let mut checks = vec![form(evidence, token.as_ref().err())];
    if let Some(header) = &evidence.header {
        checks.push(algorithm(header, token.as_ref().ok(), &evidence.published.discovery));
    }
    let Some(claims) = &evidence.claims else { return checks };
    let issuer = claims.get("iss").and_then(Value::as_str);
    checks.push(issuer_form(issuer));
    checks.extend(evidence.issuer.map(|expected| expected_issuer(issuer, expected)));
    checks.push(discovery(issuer, &evidence.published.discovery));
    if let Ok(token) = &token {
        checks.extend(signature(token, &evidence.published.keys, evidence.now));
    }
    checks.extend(claims::times(claims, evidence.now));
    checks.extend(claims::audience(claims.get("aud"), evidence.audience));
    checks.push(claims::subject(claims.get("sub")));
    checks
}

fn form(evidence: &Evidence<'_>, error: Option<&TokenError>) -> Check {
    match error {
        _ if evidence.text.is_empty() => Check::wrong("form", "there is no token, nothing at all"),
        Some(error) => Check::wrong("form", error.to_string()),
        None if evidence.header.as_ref().is_some_and(|header| header.contains_key("crit")) => {
            Check::wrong("form", TokenError::Critical.to_string())
        }
        None => Check::right("form", format!("a signed JWT of {} bytes", evidence.text.len())),
    }
}

fn algorithm(
    header: &Map<String, Value>,
    token: Option<&UnverifiedToken<'_>>,
    discovery: &Answer<Value>,
) -> Check {
    let name = "algorithm";
    let Some(algorithm) = header.get("alg").and_then(Value::as_str) else {
        return Check::wrong(name, "the header names none");
    };
    if algorithm.eq_ignore_ascii_case("none") {
        return Check::wrong(name, "`none`: anybody can write such a token");
    }
    if algorithm.starts_with("HS") {
        return Check::wrong(
            name,
            format!("{algorithm} is a shared secret: whoever can verify can also forge"),
        );
    }
    // Without any key, verifying ends at the algorithm or, where that is accepted, at the key.
    let refused = |token: &UnverifiedToken<'_>| {
        let verified = token.verify(&JwkSet { keys: Vec::new() }, "", Timestamp::UNIX_EPOCH);
        matches!(verified, Err(TokenError::Algorithm(_)))
    };
    if token.is_none_or(refused) {
        return Check::wrong(name, format!("{algorithm} is not accepted"));
    }
    match discovery {
        Answer::Got(document) => match &document["id_token_signing_alg_values_supported"] {
            Value::Array(signing) if !signing.iter().any(|one| one == algorithm) => {
                Check::wrong(name, format!("{algorithm} is not among those that the issuer signs with"))
            }
            _ => Check::right(name, algorithm),
        },
        Answer::NotAsked(_) | Answer::Failed(_) => Check::right(name, algorithm),
    }
}

fn issuer_form(issuer: Option<&str>) -> Check {
    match issuer.map(|text| (text, IssuerUrl::parse(text))) {
        None => Check::wrong("issuer", "there is no `iss`, or it is no text"),
        Some((text, Ok(_))) => Check::right("issuer", text),
        Some((text, Err(error))) => Check::wrong("issuer", format!("`{text}` {error}")),
    }
}

fn expected_issuer(issuer: Option<&str>, expected: &str) -> Check {
    let name = "expected issuer";
    match issuer {
        Some(found) if found == expected => Check::right(name, "the same, byte for byte"),
        Some(found) => Check::wrong(name, differ(expected, found)),
        None => Check::wrong(name, format!("expected `{expected}`")),
    }
}

fn discovery(issuer: Option<&str>, discovery: &Answer<Value>) -> Check {
    let name = "discovery";
    match discovery {
        Answer::NotAsked(why) | Answer::Failed(why) => Check::unknown(name, why),
        Answer::Got(document) => match (document["issuer"].as_str(), issuer) {
            (Some(published), Some(issuer)) if published == issuer => {
                Check::right(name, "its `issuer` is the token's, byte for byte")
            }
            (Some(published), Some(issuer)) => Check::wrong(name, differ(issuer, published)),
            _ => Check::wrong(name, "the document has no `issuer`"),
        },
    }
}

/// Which key, and whether its signature holds.
fn signature(token: &UnverifiedToken<'_>, keys: &Answer<JwkSet>, now: Timestamp) -> [Check; 2] {
    let set = match keys {
        Answer::Got(set) => set,
        Answer::NotAsked(why) | Answer::Failed(why) => {
            return [Check::unknown("key", why), Check::unknown("signature", why)];
        }
    };
    let kid = token.header().kid.as_deref().unwrap_or_default();
    let key = || Check::right("key", format!("{kid}, one of {} in the key set", set.keys.len()));
    let issuer = token.unverified_claims().get("iss").and_then(Value::as_str).unwrap_or_default();
    match token.verify(set, issuer, now) {
        // The signature comes first: whatever else is wrong has a line of its own.
        Ok(_)
        | Err(
            TokenError::Issuer { .. }
            | TokenError::Audience { .. }
            | TokenError::NotATime(_)
            | TokenError::Expired(_)
            | TokenError::NotYetValid(_)
            | TokenError::IssuedInFuture(_),
        ) => [key(), Check::right("signature", "made with that key, and nothing was changed since")],
        Err(error @ TokenError::Signature) => [key(), Check::wrong("signature", error.to_string())],
        Err(error @ (TokenError::NoKeyId | TokenError::UnknownKey(_) | TokenError::KeyAlgorithm { .. })) => [
            Check::wrong("key", error.to_string()),
            Check::unknown("signature", "there is no key to check it with"),
        ],
        Err(
            TokenError::TooLong(_)
            | TokenError::Malformed(_)
            | TokenError::Critical
            | TokenError::Algorithm(_),
        ) => {
            let why = "the token is refused before its key is looked up";
            [Check::unknown("key", why), Check::unknown("signature", why)]
        }
    }
}

/// Two texts that should be equal, with what people overlook.
pub(in crate::cli) fn differ(expected: &str, found: &str) -> String {
    let hint = if expected.trim_end_matches('/') == found.trim_end_matches('/') {
        "; they differ in a slash at the end"
    } else if expected.eq_ignore_ascii_case(found) {
        "; they differ in upper and lower case"
    } else {
        ""
    };
    format!("expected `{expected}`, found `{found}`{hint}")
}
