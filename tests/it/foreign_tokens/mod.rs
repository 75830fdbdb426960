//! Attacks on the verification of foreign tokens. Each token has exactly one defect and must be refused for
//! it.

mod algorithms;
mod bytes;
mod claims;
mod form;
mod headers;
mod key_sets;

use jiff::{SignedDuration, Timestamp};
use runmint::trust::token::Algorithm;
use runmint::trust::token::KeySet;
use runmint::trust::token::{Expectations, RefusalClass, TokenError, UnverifiedToken, VerifiedClaims};
use serde_json::{Value, json};

use crate::foreign_issuer::{ForeignKey, key_set};

const ISSUER: &str = "https://token.actions.example";
const AUDIENCE: &str = "urn:runmint:org:acme";
const NOW: i64 = 1_800_000_000;

/// A token that must be refused, and the expected reason.
struct Attack {
    name: String,
    token: String,
    keys: KeySet,
    expected: RefusalClass,
}

impl Attack {
    fn new(name: impl Into<String>, token: String, keys: &Value, expected: RefusalClass) -> Self {
        Self { name: name.into(), token, keys: set(keys), expected }
    }
}

#[test]
fn every_attack_is_refused_for_its_own_reason() {
    let (mut total, mut wrong) = (0, Vec::new());
    for (group, attacks) in [
        ("algorithms", algorithms::attacks()),
        ("headers", headers::attacks()),
        ("form", form::attacks()),
        ("claims", claims::attacks()),
        ("key sets", key_sets::attacks()),
    ] {
        for attack in &attacks {
            match verify(&attack.token, &attack.keys) {
                Err(refusal) if refusal.class() == attack.expected => {}
                Err(refusal) => wrong.push(format!("{group}, {}: refused, but {refusal}", attack.name)),
                Ok(_) => wrong.push(format!("{group}, {}: ACCEPTED", attack.name)),
            }
        }
        eprintln!("attacks refused, {group}: {}", attacks.len());
        total += attacks.len();
    }
    eprintln!("counted: attacks on verification refused: {total}");
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
    assert!(total > 1_000, "{total}");
}

#[test]
fn every_accepted_algorithm_is_accepted() {
    for algorithm in Algorithm::ALL {
        let key = ForeignKey::new("k", algorithm, 0);
        let verified = verify(&key.token(&claims()), &set(&key_set(&[&key]))).unwrap();
        assert_eq!(Value::Object(verified.all().clone()), claims());
        assert_eq!((verified.subject(), verified.audience()), ("repo:acme/website", AUDIENCE));
        assert_eq!(verified.expires_at(), at(NOW + 300));
        assert_eq!((verified.issued_at(), verified.token_id()), (Some(at(NOW)), Some("one")));
        // As Entra publishes its keys.
        let mut without_alg = key.jwk();
        without_alg.as_object_mut().unwrap().remove("alg");
        verify(&key.token(&claims()), &set(&json!({"keys": [without_alg]}))).unwrap();
    }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "repo:acme/website", "jti": "one",
        "nbf": NOW - 300, "iat": NOW, "exp": NOW + 300,
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn set(keys: &Value) -> KeySet {
    KeySet::parse(keys.to_string().as_bytes()).unwrap()
}

fn verify(token: &str, keys: &KeySet) -> Result<VerifiedClaims, TokenError> {
    verify_at(token, keys, at(NOW))
}

fn verify_at(token: &str, keys: &KeySet, now: Timestamp) -> Result<VerifiedClaims, TokenError> {
    let audiences = ["urn:pulumi:org:acme".to_owned(), AUDIENCE.to_owned(), String::new()];
    let max_lifetime = SignedDuration::from_hours(1);
    let expected = Expectations { issuer: ISSUER, max_lifetime, now };
    UnverifiedToken::parse(token)?.verify(keys, &expected)?.for_one_of(&audiences)
}
