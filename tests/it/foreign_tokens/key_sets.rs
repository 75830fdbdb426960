//! Keys that verify nothing, whoever publishes them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use runmint::trust::token::{UnusableKey, VerifyingKey};

use super::*;
use crate::foreign_issuer::{encode, signing_input};

/// Valid tokens with key sets whose one key was removed, made ambiguous or corrupted.
pub(super) fn attacks() -> Vec<Attack> {
    let mut attacks = small_order();
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let key = ForeignKey::new("k", algorithm, 0);
        let token = key.token(&claims());
        for (name, jwk) in spoiled(&key) {
            let name = format!("{algorithm}: {name}");
            attacks.push(Attack::new(name, token.clone(), &json!({"keys": [jwk]}), RefusalClass::UnknownKey));
        }
        let other = ForeignKey::new("other", algorithm, 1);
        let anonymous = key.token_with(&json!({"alg": algorithm.name()}), &claims());
        for (name, token, keys) in [
            ("an empty set", &token, json!({"keys": []})),
            ("another name", &token, key_set(&[&key.called("other")])),
            ("no name", &token, {
                let mut jwk = key.jwk();
                jwk.as_object_mut().unwrap().remove("kid");
                json!({ "keys": [jwk] })
            }),
            ("one name twice", &token, key_set(&[&key, &other.called("k")])),
            ("no kid and two keys", &anonymous, key_set(&[&other, &key])),
            ("no kid and no key", &anonymous, json!({"keys": []})),
        ] {
            attacks.push(Attack::new(
                format!("{algorithm}: {name}"),
                token.clone(),
                &keys,
                RefusalClass::UnknownKey,
            ));
        }
        // Only the key named in the header is tried.
        let forged = other.token_with(&key.header(), &claims());
        attacks.push(Attack::new(
            "another key of the set",
            forged,
            &key_set(&[&key, &other]),
            RefusalClass::Signature,
        ));
    }
    attacks
}

/// A key of small order, and a signature that satisfies its equation for any message.
fn small_order() -> Vec<Attack> {
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    let mut attacks = Vec::new();
    for (name, point) in [("1", one), ("0", [0; 32]), ("-1", minus_one)] {
        for sign in [0, 0x80] {
            let mut point = point;
            point[31] |= sign;
            let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": encode(point)});
            for nonce in [one, [0; 32], minus_one] {
                let input = signing_input(r#"{"alg":"EdDSA","kid":"k"}"#, &claims().to_string());
                let token = format!("{input}.{}", encode([nonce, [0; 32]].concat()));
                let name = format!("Ed25519 key with y = {name}");
                attacks.push(Attack::new(name, token, &json!({"keys": [jwk]}), RefusalClass::UnknownKey));
            }
        }
    }
    attacks
}

/// The key's JWK with one defect.
fn spoiled(key: &ForeignKey) -> Vec<(String, Value)> {
    let mut changes = vec![
        ("use", json!("enc")),
        ("use", json!("")),
        ("use", json!(["sig"])),
        ("key_ops", json!(["sign"])),
        ("key_ops", json!([])),
        ("key_ops", json!("verify")),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("RSA-OAEP")),
        ("alg", json!("RS1")),
        ("alg", json!("ES256K")),
        ("alg", json!(256)),
        ("kty", json!("oct")),
        ("kty", json!("rsa")),
        ("kty", json!("AKP")),
        ("kty", json!(null)),
        ("kid", json!(1)),
        ("d", json!("AQ")),
        ("k", json!("AQ")),
    ];
    match key.algorithm {
        Algorithm::Rs256 => changes.extend([
            ("p", json!("AQ")),
            ("n", json!("")),
            ("n", json!("AQAB")),
            ("n", json!(7)),
            ("n", json!(encode([0xff; 255]))),
            ("n", json!(encode([0xff; 513]))),
            ("n", json!(encode(vec![0xff; 100_000]))),
            ("e", json!("")),
            ("e", json!("AA")),
            ("e", json!("AQ")),
            ("e", json!("Ag")),
            ("e", json!("AAEAAQ")),
            ("e", json!("AQAC")),
            ("e", json!(encode([0xff; 256]))),
        ]),
        Algorithm::Es256 => changes.extend([
            ("crv", json!("P-384")),
            ("crv", json!("P-521")),
            ("crv", json!("secp256k1")),
            ("crv", json!("p-256")),
            ("crv", json!(null)),
            ("x", json!(encode([0; 32]))),
            ("y", json!(encode([0; 32]))),
            ("y", json!(encode([0xff; 32]))),
            ("y", json!("")),
            ("x", json!(encode([1; 33]))),
            ("kty", json!("OKP")),
        ]),
        _ => changes.extend([
            ("crv", json!("Ed448")),
            ("crv", json!("X25519")),
            ("crv", json!("ed25519")),
            ("x", json!("")),
            ("x", json!(encode([1; 31]))),
            ("x", json!(encode([1; 33]))),
            ("kty", json!("EC")),
        ]),
    }
    let spoil = |(name, value): (&str, Value)| {
        let mut jwk = key.jwk();
        jwk[name] = value;
        (format!("{name} {:.40}", jwk[name].to_string()), jwk)
    };
    changes.into_iter().map(spoil).collect()
}

/// With the exponent 1 a signature is the padded digest itself, so anyone can forge one.
#[test]
fn an_rsa_key_is_neither_too_small_nor_too_large_nor_trivial() {
    let jwk = |n: Vec<u8>, e: &str| json!({"kty": "RSA", "n": encode(n), "e": e});
    let modulus = |bits: usize| {
        let mut n = vec![0xff; bits.div_ceil(8)];
        n[0] = 0xff_u8 >> (n.len() * 8 - bits);
        n
    };
    let reason = |jwk: &Value| VerifyingKey::from_jwk(jwk).unwrap_err();
    for bits in [8, 1024, 2047, 4097, 8192, 8193, 16_384] {
        assert_eq!(reason(&jwk(modulus(bits), "AQAB")), UnusableKey::RsaBits(bits));
    }
    for bits in [2048, 3072, 4096] {
        VerifyingKey::from_jwk(&jwk(modulus(bits), "AQAB")).unwrap();
        VerifyingKey::from_jwk(&jwk(modulus(bits), "Aw")).unwrap();
    }
    for e in ["AQ", "Ag", "BQ", "AQAA", "AQAD"] {
        assert_eq!(reason(&jwk(modulus(2048), e)), UnusableKey::RsaExponent, "{e}");
    }
    let mut even = modulus(2048);
    even[255] = 0xfe;
    assert_eq!(reason(&jwk(even, "AQAB")), UnusableKey::Unsound);
    // With a leading zero byte, as in ASN.1, which some issuers write.
    let key = ForeignKey::rs256("k", 0);
    let mut signed = key.jwk();
    let n = URL_SAFE_NO_PAD.decode(signed["n"].as_str().unwrap()).unwrap();
    signed["n"] = json!(encode([&[0], n.as_slice()].concat()));
    verify(&key.token(&claims()), &set(&json!({"keys": [signed]}))).unwrap();
}

#[test]
fn keys_of_different_types_under_one_id_are_told_apart() {
    let (rsa, ec) = (ForeignKey::rs256("k", 0), ForeignKey::es256("k"));
    let keys = set(&key_set(&[&rsa, &ec]));
    for key in [&rsa, &ec] {
        verify(&key.token(&claims()), &keys).unwrap();
        verify(&key.token_with(&json!({"alg": key.algorithm.name()}), &claims()), &keys).unwrap();
    }
}
