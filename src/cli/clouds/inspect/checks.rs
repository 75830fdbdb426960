//! What is right and wrong with a token, a line for each thing.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::check::{Check, Outcome, differ};
use super::claims;
use super::published::{Answer, Published};
use crate::issuer::url::IssuerUrl;
use crate::trust::token::limits::DEFAULT_MAX_LIFETIME;
use crate::trust::token::{Expectations, KeySet, TokenError, UnverifiedToken};

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

pub(super) fn all(evidence: &Evidence<'_>) -> Vec<Check> {
    let token = UnverifiedToken::parse(evidence.text);
    let mut checks = vec![form(evidence, token.as_ref().err())];
    if let Some(header) = &evidence.header {
        checks.push(algorithm(header, token.as_ref().err(), &evidence.published.discovery));
    }
    let Some(claims) = &evidence.claims else { return checks };
    let issuer = claims.get("iss").and_then(Value::as_str);
    checks.push(issuer_form(issuer));
    checks.extend(evidence.issuer.map(|expected| expected_issuer(issuer, expected)));
    checks.push(discovery(issuer, &evidence.published.discovery));
    if let Ok(token) = &token {
        checks.extend(signature(token, &evidence.published.keys));
    }
    checks.extend(claims::times(claims, evidence.now));
    checks.extend(claims::audience(claims, evidence.audience));
    checks.push(claims::subject(claims));
    if let Ok(token) = &token {
        checks.extend(anything_else(token, &evidence.published.keys, evidence.now, &checks));
    }
    checks
}

fn form(evidence: &Evidence<'_>, error: Option<&TokenError>) -> Check {
    match error {
        _ if evidence.text.is_empty() => Check::wrong("form", "the token is empty"),
        // These have lines of their own.
        None | Some(TokenError::Algorithm(_) | TokenError::MissingClaim(_) | TokenError::Claim { .. }) => {
            Check::right("form", format!("a signed JWT of {} bytes", evidence.text.len()))
        }
        Some(error) => Check::wrong("form", error.to_string()),
    }
}

fn algorithm(header: &Map<String, Value>, error: Option<&TokenError>, discovery: &Answer<Value>) -> Check {
    let name = "algorithm";
    let Some(algorithm) = header.get("alg").and_then(Value::as_str) else {
        return Check::wrong(name, "the header has no `alg`");
    };
    if algorithm.eq_ignore_ascii_case("none") {
        return Check::wrong(name, "`none`: anyone can write such a token");
    }
    if algorithm.starts_with("HS") {
        return Check::wrong(
            name,
            format!("{algorithm} uses a shared secret: every verifier could also forge tokens"),
        );
    }
    if matches!(error, Some(TokenError::Algorithm(_))) {
        return Check::wrong(name, format!("{algorithm} is not accepted"));
    }
    match discovery {
        Answer::Got(document) => match &document["id_token_signing_alg_values_supported"] {
            Value::Array(signing) if !signing.iter().any(|one| one == algorithm) => {
                Check::wrong(name, format!("{algorithm} is not an algorithm that the issuer signs with"))
            }
            _ => Check::right(name, algorithm),
        },
        Answer::NotAsked(_) | Answer::Failed(_) => Check::right(name, algorithm),
    }
}

fn issuer_form(issuer: Option<&str>) -> Check {
    match issuer.map(|text| (text, IssuerUrl::parse(text))) {
        None => Check::wrong("issuer", "`iss` is missing or not a string"),
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
fn signature(token: &UnverifiedToken<'_>, keys: &Answer<KeySet>) -> [Check; 2] {
    let set = match keys {
        Answer::Got(set) => set,
        Answer::NotAsked(why) | Answer::Failed(why) => {
            return [Check::unknown("key", why), Check::unknown("signature", why)];
        }
    };
    let key = || {
        let key_id = token.key_id().unwrap_or("the only one that fits");
        Check::right("key", format!("{key_id}, one of {} in the key set", set.keys().len()))
    };
    match token.check_signature(set) {
        Ok(_) => [key(), Check::right("signature", "signed with that key and not changed since")],
        Err(error @ TokenError::Signature) => [key(), Check::wrong("signature", error.to_string())],
        Err(error) => [
            Check::wrong("key", format!("{error}{}", unusable(set))),
            Check::unknown("signature", "the key is missing"),
        ],
    }
}

/// Keys of the set that verify nothing: the one that is missed may be among them.
fn unusable(set: &KeySet) -> String {
    let reasons: Vec<String> = set.unusable().iter().map(ToString::to_string).collect();
    match reasons.len() {
        0 => String::new(),
        count => format!("; {count} of its keys cannot be used: {}", reasons.join("; ")),
    }
}

/// What the server would refuse the token for, where no other line says so.
fn anything_else(
    token: &UnverifiedToken<'_>,
    keys: &Answer<KeySet>,
    now: Timestamp,
    checks: &[Check],
) -> Option<Check> {
    let Answer::Got(set) = keys else { return None };
    if checks.iter().any(|check| check.outcome == Outcome::Wrong) {
        return None;
    }
    let issuer = token.claimed_issuer();
    let expected = Expectations { issuer, max_lifetime: DEFAULT_MAX_LIFETIME, now };
    let error = token.verify(set, &expected).err()?;
    Some(Check::wrong("claims", error.to_string()))
}
