//! Attacks on verification. Each begins with a token that is good but for one thing.

mod algorithms;
mod claims;
mod form;

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use proptest::prelude::*;
use ring::hmac;
use serde_json::{Value, json};

use super::limits::{DEFAULT_MAX_LIFETIME, MAX_TOKEN_BYTES};
use super::*;

const ISSUER: &str = "https://id.example.com/oidc";
const NOW: i64 = 1_800_000_000;
const HEADER: &str = r#"{"alg":"RS256","kid":"k1","typ":"JWT"}"#;

/// The key `k1`, and one of an attacker.
fn ours() -> &'static RsaKeyPair {
    static KEY: OnceLock<RsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
}

fn theirs() -> &'static RsaKeyPair {
    static KEY: OnceLock<RsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
}

fn jwk(key: &RsaKeyPair) -> Value {
    let n = key.public_key().modulus().big_endian_without_leading_zero();
    let n = URL_SAFE_NO_PAD.encode(n);
    json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1", "n": n, "e": "AQAB"})
}

fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap()
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "acme", "sub": "s", "iat": NOW, "nbf": NOW - 300, "exp": NOW + 3600, "jti": "j",
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

fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn input(header: &str, payload: &str) -> String {
    format!("{}.{}", encode(header), encode(payload))
}

fn sign_input(input: &str, key: &RsaKeyPair, padding: &'static dyn RsaEncoding) -> String {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(padding, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
    format!("{input}.{}", encode(signature))
}

/// Signed by our key with RS256, whatever the header says.
fn signed(header: &str, payload: &str) -> String {
    sign_input(&input(header, payload), ours(), &RSA_PKCS1_SHA256)
}

fn good() -> String {
    signed(HEADER, &claims().to_string())
}

fn at(now: i64) -> Expectations<'static> {
    let now = Timestamp::from_second(now).unwrap();
    Expectations { issuer: ISSUER, max_lifetime: DEFAULT_MAX_LIFETIME, now }
}

fn verify_by(token: &str, keys: &KeySet) -> Result<AuthenticClaims, TokenError> {
    UnverifiedToken::parse(token)?.verify(keys, &at(NOW))
}

fn verify(token: &str) -> Result<AuthenticClaims, TokenError> {
    verify_by(token, &set(&[jwk(ours())]))
}

fn refusal(token: &str) -> TokenError {
    verify(token).expect_err(token)
}

fn refusal_of(payload: &Value) -> TokenError {
    refusal(&signed(HEADER, &payload.to_string()))
}

#[track_caller]
fn assert_malformed(token: &str) {
    let refusal = refusal(token);
    assert!(matches!(refusal, TokenError::Malformed(_)), "{refusal}: {token}");
}

#[test]
fn accepts_a_good_token() {
    let verified = verify(&good()).unwrap().only_for("acme").unwrap();
    assert_eq!(Value::Object(verified.all().clone()), claims());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        prop_assert!(verify(&text).is_err());
    }

    #[test]
    fn no_three_parts_make_it_panic(
        header in proptest::collection::vec(any::<u8>(), 0..100),
        payload in proptest::collection::vec(any::<u8>(), 0..100),
        signature in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let token = format!("{}.{}.{}", encode(header), encode(&payload), encode(&signature));
        prop_assert!(verify(&token).is_err());
        let token = format!("{}.{}.{}", encode(HEADER), encode(payload), encode(signature));
        prop_assert!(verify(&token).is_err());
    }

    #[test]
    fn no_signed_payload_makes_it_panic(
        name in prop::sample::select(vec!["iss", "aud", "exp", "iat", "nbf", "sub", "jti"]),
        value in prop_oneof![
            any::<i64>().prop_map(|n| json!(n)),
            any::<u64>().prop_map(|n| json!(n)),
            any::<f64>().prop_map(|n| json!(n)),
            ".{0,20}".prop_map(|text| json!(text)),
            proptest::collection::vec(any::<i8>(), 0..3).prop_map(|list| json!(list)),
        ],
        now in -377_705_000_000_i64..253_402_000_000,
    ) {
        let token = signed(HEADER, &with(name, value).to_string());
        let verified = UnverifiedToken::parse(&token)
            .and_then(|unverified| unverified.verify(&set(&[jwk(ours())]), &at(now)));
        if let Ok(verified) = verified {
            let _ = verified.only_for("acme");
        }
    }
}
