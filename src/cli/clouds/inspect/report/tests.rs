use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::*;
use crate::cli::api::foreign_token::part;
use crate::cli::clouds::inspect::published::{Answer, Published};
use crate::entropy::SystemEntropy;
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::generate::{RsaBits, private_key};
use crate::signing::signing_key::SigningKey;
use crate::trust::token::limits::DEFAULT_MAX_LIFETIME;
use crate::trust::token::{Expectations, KeySet, UnverifiedToken};

const NOW: i64 = 1_795_251_600;
const ISSUER: &str = "https://id.example.com/oidc";

static KEY: LazyLock<SigningKey> = LazyLock::new(new_key);

fn new_key() -> SigningKey {
    SigningKey::from_der(
        &private_key(SigningAlgorithm::Rs256, RsaBits::default(), &SystemEntropy::new()).unwrap(),
        SigningAlgorithm::Rs256,
    )
    .unwrap()
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "acme", "sub": "runmint:deploy:org:acme:project:website",
        "iat": NOW - 100, "nbf": NOW - 400, "exp": NOW + 3_500,
    })
}

fn signed(claims: &Value) -> String {
    KEY.sign(KEY.signing_input(claims).unwrap()).unwrap()
}

fn published(issuer: &str, key: &SigningKey) -> Published {
    Published {
        discovery: Answer::Got(json!({"issuer": issuer, "id_token_signing_alg_values_supported": ["RS256"]})),
        keys: Answer::Got(KeySet::parse(json!({"keys": [key.public_jwk()]}).to_string().as_bytes()).unwrap()),
    }
}

struct Inspection {
    published: Published,
    audience: Option<&'static str>,
    issuer: Option<&'static str>,
}

impl Inspection {
    fn new() -> Self {
        Self { published: published(ISSUER, &KEY), audience: Some("acme"), issuer: Some(ISSUER) }
    }

    fn of(&self, token: &str) -> Value {
        let evidence = Evidence {
            text: token,
            header: part(token, 0),
            claims: part(token, 1),
            published: &self.published,
            audience: self.audience,
            issuer: self.issuer,
            now: Timestamp::from_second(NOW).unwrap(),
        };
        Report::of(&evidence).to_json()
    }
}

/// The names of the checks that came out as `ok`.
fn named(report: &Value, ok: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().filter(|check| check["ok"] == *ok);
    found.map(|check| check["check"].as_str().unwrap().to_owned()).collect()
}

fn wrong(report: &Value) -> Vec<String> {
    assert_eq!(report["valid"], false, "{report:#}");
    named(report, &json!(false))
}

#[test]
fn everything_is_right_with_a_good_token() {
    let report = Inspection::new().of(&signed(&claims()));
    assert_eq!(report["valid"], true, "{report:#}");
    assert_eq!(report["claims"], claims());
    assert_eq!(report["header"], json!({"typ": "JWT", "alg": "RS256", "kid": KEY.kid()}));
    let names = [
        "form",
        "algorithm",
        "issuer",
        "expected issuer",
        "discovery",
        "key",
        "signature",
        "issued",
        "valid from",
        "expires",
        "lifetime",
        "audience",
        "one audience",
        "subject",
    ];
    assert_eq!(named(&report, &json!(true)), names);
    assert_eq!(report["limits"].as_array().unwrap().len(), 6);
}

#[test]
fn each_mistake_has_its_own_line() {
    let mut inspection = Inspection::new();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        signed(&claims)
    };
    assert_eq!(wrong(&inspection.of(&with("exp", json!(NOW - 60)))), ["expires"]);
    assert_eq!(wrong(&inspection.of(&with("nbf", json!(NOW + 61)))), ["valid from"]);
    assert_eq!(wrong(&inspection.of(&with("iat", json!(NOW + 61)))), ["issued"]);
    assert_eq!(wrong(&inspection.of(&with("iat", json!("1.5")))), ["issued"]);
    assert_eq!(wrong(&inspection.of(&with("iat", json!(1.5)))), ["lifetime"]);
    assert_eq!(wrong(&inspection.of(&with("jti", json!(7)))), ["claims"]);
    assert_eq!(wrong(&inspection.of(&with("aud", json!("other")))), ["audience"]);
    assert_eq!(wrong(&inspection.of(&with("sub", Value::Null))), ["subject"]);
    let another = "https://id.example.com/other";
    assert_eq!(wrong(&inspection.of(&with("iss", json!(another)))), ["expected issuer", "discovery"]);
    inspection.issuer = None;
    inspection.published = published("https://id.example.com/oidc/", &KEY);
    let report = inspection.of(&signed(&claims()));
    assert_eq!(wrong(&report), ["discovery"]);
    assert!(report.to_string().contains("they differ in a slash at the end"), "{report:#}");
}

#[test]
fn a_changed_token_and_an_unknown_key_are_told_apart() {
    let mut inspection = Inspection::new();
    let token = signed(&claims());
    let (start, signature) = token.rsplit_once('.').unwrap();
    let changed = signed(&json!({"iss": ISSUER}));
    let (changed, _) = changed.rsplit_once('.').unwrap();
    assert!(wrong(&inspection.of(&format!("{changed}.{signature}"))).contains(&"signature".to_owned()));
    assert_eq!(
        wrong(&inspection.of(&format!("{start}.{}", signature.replace(['A', 'B'], "C")))),
        ["signature"]
    );
    inspection.published = published(ISSUER, &new_key());
    let report = inspection.of(&token);
    assert_eq!(wrong(&report), ["key"]);
    assert_eq!(named(&report, &Value::Null), ["signature"]);
}

#[test]
fn without_the_issuer_nothing_is_known_to_be_valid() {
    let mut inspection = Inspection::new();
    inspection.published = Published::not_asked("--offline");
    let report = inspection.of(&signed(&claims()));
    assert_eq!(report["valid"], Value::Null);
    assert_eq!(named(&report, &Value::Null), ["discovery", "key", "signature"]);
    inspection.audience = Some("other");
    assert_eq!(wrong(&inspection.of(&signed(&claims()))), ["audience"]);
}

#[test]
fn what_no_key_can_vouch_for_is_refused_by_name() {
    let inspection = Inspection::new();
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let with = |header: Value| format!("{}.{}.AAAA", encoded(&header), encoded(&claims()));
    let wrong_with = |header| wrong(&inspection.of(&with(header)));
    assert_eq!(wrong_with(json!({"alg": "none"})), ["algorithm"]);
    assert_eq!(wrong_with(json!({"alg": "HS256", "kid": KEY.kid()})), ["algorithm"]);
    assert_eq!(wrong_with(json!({"kid": KEY.kid()})), ["form", "algorithm"]);
    assert_eq!(wrong_with(json!({"alg": "ES256", "kid": KEY.kid()})), ["algorithm", "key"]);
    assert_eq!(wrong_with(json!({"alg": "RS256"})), ["signature"]);
    assert_eq!(wrong_with(json!({"alg": "RS256", "typ": "at+jwt"})), ["form"]);
    assert_eq!(wrong_with(json!({"alg": "RS256", "kid": KEY.kid(), "crit": ["b64"]})), ["form"]);
}

#[test]
fn text_that_is_not_a_token_is_called_that() {
    let inspection = Inspection::new();
    let too_long = "a".repeat(20_000);
    for text in ["", "x", "a.b", "..", "é.é.é", "e30.e30.e30.e30", too_long.as_str()] {
        assert!(wrong(&inspection.of(text)).contains(&"form".to_owned()), "{text}");
    }
}

/// Whatever the server's verifier refuses is wrong here, and beyond that only these are.
#[test]
fn judges_as_the_server_judges() {
    const STRICTER: [(&str, &str); 4] =
        [("iat", "issued"), ("iat", "lifetime"), ("aud", "one audience"), ("sub", "subject")];
    let mut inspection = Inspection::new();
    (inspection.issuer, inspection.audience) = (None, Some("acme"));
    let Answer::Got(keys) = &inspection.published.keys else { panic!() };
    let now = Timestamp::from_second(NOW).unwrap();
    let expected = Expectations { issuer: ISSUER, max_lifetime: DEFAULT_MAX_LIFETIME, now };
    let (mut accepted, mut refused, mut stricter) = (0, 0, 0);
    let mut compare = |name: &str, token: &str| {
        let verified = UnverifiedToken::parse(token)
            .and_then(|token| token.verify(keys, &expected))
            .and_then(|claims| claims.for_one_of(&["acme".to_owned()]));
        let report = inspection.of(token);
        match (&verified, report["valid"] == true) {
            (Ok(_), true) => accepted += 1,
            (Err(_), false) => refused += 1,
            (Ok(_), false) => {
                assert!(wrong(&report).iter().all(|check| STRICTER.contains(&(name, check))), "{report:#}");
                stricter += 1;
            }
            (Err(error), true) => panic!("{error}, but {report:#}"),
        }
    };
    for (name, values) in [
        ("iat", vec![json!(NOW), json!(NOW + 60), json!(NOW + 61), json!(NOW - 90_000), json!("x")]),
        ("nbf", vec![json!(NOW + 60), json!(1_795_251_660.5), json!(NOW + 61), Value::Null, json!([])]),
        ("exp", vec![json!(NOW - 59), json!(NOW - 60), json!(NOW + 90_000), json!(1_795_341_500.5)]),
        ("exp", vec![json!(NOW + 89_900), json!(NOW + 89_901), json!(i64::MAX), json!(true)]),
        ("aud", vec![json!(["acme"]), json!(["acme", "b"]), json!(["b"]), json!([]), json!(["acme", 1])]),
        ("sub", vec![json!(""), json!("s".repeat(256)), json!("s".repeat(1_025)), json!(1)]),
        ("jti", vec![json!("j"), json!(""), json!(1), json!("j".repeat(1_025))]),
    ] {
        for value in values {
            let mut claims = claims();
            claims[name] = value.clone();
            let token = signed(&claims);
            compare(name, &token);
            compare("no signature", &token[..token.len() - 4]);
        }
        let mut without = claims();
        without.as_object_mut().unwrap().remove(name);
        compare(name, &signed(&without));
    }
    let mut instant = claims();
    (instant["iat"], instant["exp"]) = (json!(NOW + 20), json!(NOW + 10));
    compare("iat", &signed(&instant));
    assert!(accepted == 9 && refused == 57 && stricter == 4, "{accepted} {refused} {stricter}");
}
