//! The checks that STS makes on a token, in its order.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::answers::StsError;
use crate::clouds::assertion::Assertion;
use crate::clouds::issuer::Published;
use crate::clouds::signature::verifies;

/// The identity that a token claims.
pub(super) struct Identity {
    pub(super) issuer: String,
    pub(super) subject: String,
    /// `azp` if present, else `aud`.
    pub(super) audience: String,
}

/// What a token requests for the session besides the role.
pub(super) struct Extras {
    pub(super) tags: bool,
    pub(super) source_identity: bool,
}

const ALGORITHMS: [&str; 6] = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"];
pub(super) const LEEWAY: SignedDuration = SignedDuration::from_mins(5);
const MAX_KEYS_OF_A_KIND: usize = 100;

pub(super) fn read(assertion: &Assertion) -> Result<Identity, StsError> {
    if assertion.header.contains_key("crit") {
        return Err(StsError::not_a_jwt());
    }
    for claim in ["iss", "sub", "aud", "iat", "exp"] {
        if !assertion.claims.contains_key(claim) {
            return Err(StsError::invalid_token(&format!("Missing a required claim: {claim}")));
        }
    }
    let subject = match &assertion.claims["sub"] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(StsError::new(500, "InternalFailure", "")),
    };
    for claim in ["iat", "exp", "nbf"] {
        if assertion.claims.contains_key(claim) && timestamp(assertion, claim).is_none() {
            return Err(StsError::invalid_token("Invalid timestamp in token claims."));
        }
    }
    let audiences = assertion.audiences();
    let audience = match (assertion.text("azp"), audiences.as_slice()) {
        (Some(party), _) => party.to_owned(),
        (None, [one]) => one.clone(),
        (None, []) => return Err(StsError::not_validated()),
        (None, _) => {
            return Err(StsError::invalid_token(
                "Token audience contains more than one audience while authorized party is not present",
            ));
        }
    };
    Ok(Identity { issuer: assertion.text("iss").unwrap_or_default().to_owned(), subject, audience })
}

pub(super) fn in_time(assertion: &Assertion, now: Timestamp, leeway: SignedDuration) -> Result<(), StsError> {
    let seconds = |claim| timestamp(assertion, claim).unwrap_or(i64::MIN);
    // The time in the text is now minus the leeway, as observed.
    let latest = (now - leeway).as_second();
    if latest >= seconds("exp") {
        let why = format!(
            "Token expired: current date/time {latest} must be before the expiration date/time {}",
            seconds("exp")
        );
        return Err(StsError::new(400, "ExpiredTokenException", &why));
    }
    let earliest = (now + leeway).as_second();
    if seconds("iat") > earliest || seconds("nbf") > earliest {
        return Err(StsError::not_validated());
    }
    Ok(())
}

pub(super) fn verify(assertion: &Assertion, published: &Published) -> Result<(), StsError> {
    if !ALGORITHMS.contains(&assertion.algorithm()) {
        return Err(StsError::not_validated());
    }
    let keys = usable(&published.keys);
    let key = match assertion.key_id() {
        Some(id) => keys.iter().rev().find(|key| key["kid"] == id),
        None if keys.len() == 1 => keys.first(),
        None => None,
    };
    let key = key.ok_or_else(StsError::no_key)?;
    if verifies(assertion, key) { Ok(()) } else { Err(StsError::not_validated()) }
}

/// The keys that AWS uses. `key_ops` disqualifies a key even if it allows verification.
fn usable(keys: &[Value]) -> Vec<&Value> {
    let of_kind = |kind: &str| keys.iter().filter(|key| key["kty"] == kind).count();
    let too_many = |key: &Value| of_kind(key["kty"].as_str().unwrap_or_default()) > MAX_KEYS_OF_A_KIND;
    let named = |key: &Value| key["kid"].as_str().is_some_and(|id| !id.is_empty());
    let counts =
        |key: &&Value| named(key) && key["use"] != "enc" && key["key_ops"].is_null() && !too_many(key);
    keys.iter().filter(counts).collect()
}

/// Session tags, source identity and roles, if the token has them.
pub(super) fn extras(assertion: &Assertion, role_arn: &str) -> Result<Extras, StsError> {
    let nested = assertion.claims.get("https://aws.amazon.com/tags");
    if let Some(tags) = nested.and_then(|tags| tags["principal_tags"].as_object()) {
        let single =
            |value: &Value| value.as_array().is_some_and(|list| list.len() == 1 && list[0].is_string());
        if !tags.values().all(single) {
            return Err(StsError::invalid_token("principal_tags passed in claim is not in correct format."));
        }
    }
    let flat = |name: &String| name.starts_with("https://aws.amazon.com/tags/principal_tags/");
    if let Some(roles) = assertion.claims.get("https://aws.amazon.com/roles").filter(|roles| !roles.is_null())
    {
        let named: Vec<&str> = match roles {
            Value::String(text) => text.split(';').map(str::trim).collect(),
            Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::trim).collect(),
            _ => Vec::new(),
        };
        if !named.contains(&role_arn) {
            return Err(StsError::not_validated());
        }
    }
    Ok(Extras {
        tags: nested.is_some() || assertion.claims.keys().any(flat),
        source_identity: assertion.claims.contains_key("https://aws.amazon.com/source_identity"),
    })
}

/// Whole seconds, also as a string. Nothing else is a time.
fn timestamp(assertion: &Assertion, claim: &str) -> Option<i64> {
    match assertion.claims.get(claim)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
