//! The stand-in clouds refuse what the real clouds refuse, in the same words, and accept what those accept.
//! Each token has at most one defect.

mod aws;
mod entra;
mod google;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clouds::Clouds;
use crate::foreign_issuer::{ForeignIssuer, ForeignKey, Reply, Tls, key_set};
use crate::harness::ManualClock;

const NOW: i64 = 1_800_000_000;
const SUBJECT: &str = "runmint:deploy:org:acme:project:website:stack:staging:operation:update:scope:write";

/// An issuer that publishes whatever the test sets, and the clouds that fetch from it.
struct Table {
    issuer: ForeignIssuer,
    clouds: Clouds,
    rsa: ForeignKey,
    outcomes: Vec<String>,
    refused: usize,
    accepted: usize,
    _folder: tempfile::TempDir,
}

impl Table {
    async fn new() -> Self {
        let (tls, rsa) = (Tls::new(), ForeignKey::rs256("rsa", 0));
        let issuer = ForeignIssuer::start_tls(&tls, &[&rsa]).await;
        let folder = tempfile::tempdir().unwrap();
        let authority = STANDARD.encode(&tls.authority);
        let authority = format!("-----BEGIN CERTIFICATE-----\n{authority}\n-----END CERTIFICATE-----\n");
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(NOW).unwrap()));
        let clouds = Clouds::start(clock, &authority, folder.path()).await;
        let table =
            Self { issuer, clouds, rsa, outcomes: Vec::new(), refused: 0, accepted: 0, _folder: folder };
        table.honest();
        table
    }

    /// Makes the issuer publish honest documents.
    fn honest(&self) {
        self.issuer.discovery_says(&self.discovery());
        self.issuer.publish(&[&self.rsa]);
    }

    fn discovery(&self) -> Value {
        json!({
            "issuer": self.issuer.url,
            "jwks_uri": format!("{}/keys", self.issuer.url),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        })
    }

    fn keys(&self, keys: &[Value]) {
        self.issuer.keys(Reply::json(&json!({"keys": keys})));
    }

    /// The usual claims for this audience with `change` applied. Null removes a claim.
    fn claims(&self, audience: &str, change: &Value) -> Value {
        let mut claims = json!({
            "iss": self.issuer.url, "sub": SUBJECT, "aud": audience,
            "iat": NOW - 60, "nbf": NOW - 60, "exp": NOW + 600, "stack": "staging", "run_id": "run-1",
        });
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }

    /// The cloud's answer must begin with `expected`; `None` means that it must accept.
    fn check(&mut self, name: &str, found: Option<&str>, expected: Option<&str>) {
        *(if expected.is_some() { &mut self.refused } else { &mut self.accepted }) += 1;
        let right = match (found, expected) {
            (Some(found), Some(expected)) => found.starts_with(expected),
            (found, expected) => found == expected,
        };
        if !right {
            self.outcomes.push(format!("{name}: expected {expected:?}, found {found:?}"));
        }
    }

    fn finish(self, cloud: &str) {
        eprintln!(
            "counted: {cloud}: {} tokens refused as they should be, {} accepted",
            self.refused, self.accepted
        );
        assert!(self.outcomes.is_empty(), "{} of them:\n{}", self.outcomes.len(), self.outcomes.join("\n"));
    }
}

/// The token with a wrong signature.
fn tampered(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", &signature[1..])
}

fn with_member(mut jwk: Value, name: &str, value: Value) -> Value {
    jwk[name] = value;
    jwk
}

fn without_member(mut jwk: Value, name: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(name);
    jwk
}

/// Many unused keys of the same kind.
fn crowd(like: &ForeignKey, count: usize) -> Vec<Value> {
    (0..count).map(|number| like.called(&format!("other-{number}")).jwk()).collect()
}

/// The keys of a key set.
fn jwks(keys: &[&ForeignKey]) -> Vec<Value> {
    key_set(keys)["keys"].as_array().unwrap().clone()
}
