//! The token never chooses the algorithm (CVE-2015-9235, CVE-2016-10555, CVE-2022-21449).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;

use super::*;
use crate::foreign_issuer::{encode, signing_input};

pub(super) fn attacks() -> Vec<Attack> {
    [none(), shared_secrets(), other_algorithms(), wrong_signatures(), elliptic_signatures()]
        .into_iter()
        .flatten()
        .collect()
}

/// `none` in all sixteen spellings and near variants; unsigned, and with a valid signature.
fn none() -> Vec<Attack> {
    let key = ForeignKey::rs256("k", 0);
    let mut names: Vec<Value> = (0..16_u8)
        .map(|capitals| {
            let letter = |(index, letter): (usize, char)| {
                if capitals >> index & 1 == 1 { letter.to_ascii_uppercase() } else { letter }
            };
            "none".chars().enumerate().map(letter).collect::<String>().into()
        })
        .collect();
    names.extend(
        ["", "none ", " none", "none\0", "nоne", "null", "RS256 ", "rs256", "Rs256", "RS256\0", "ed25519"]
            .map(Value::from),
    );
    names.extend([
        Value::Null,
        json!(0),
        json!(256),
        json!(true),
        json!([]),
        json!(["RS256"]),
        json!({"RS256": 1}),
    ]);
    let mut attacks = Vec::new();
    for alg in names {
        let header = json!({"alg": alg, "kid": "k", "typ": "JWT"}).to_string();
        let input = signing_input(&header, &claims().to_string());
        for (how, token) in [
            ("unsigned", format!("{input}.")),
            ("signed", key.signed(&input)),
            ("signed with anything", format!("{input}.AAAA")),
        ] {
            let name = format!("alg {alg}, {how}");
            attacks.push(Attack::new(name, token, &key_set(&[&key]), RefusalClass::Malformed));
        }
    }
    let no_alg = key.signed(&signing_input(r#"{"kid":"k"}"#, &claims().to_string()));
    attacks.push(Attack::new("no alg", no_alg, &key_set(&[&key]), RefusalClass::Malformed));
    attacks
}

/// The public key as an HMAC secret, in every form in which it is public.
fn shared_secrets() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for key in [ForeignKey::rs256("k", 0), ForeignKey::es256("k"), ForeignKey::new("k", Algorithm::EdDsa, 0)]
    {
        let der = key.public_der();
        let pem = |label: &str| {
            format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(&der))
                .into_bytes()
        };
        let member = key.jwk()["n"].as_str().or(key.jwk()["x"].as_str()).unwrap().to_owned();
        let secrets: [Vec<u8>; 8] = [
            URL_SAFE_NO_PAD.decode(&member).unwrap(),
            member.into_bytes(),
            key.jwk().to_string().into_bytes(),
            pem("PUBLIC KEY"),
            pem("RSA PUBLIC KEY"),
            der,
            b"k".to_vec(),
            Vec::new(),
        ];
        for (name, algorithm) in
            [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
        {
            for (number, secret) in secrets.iter().enumerate() {
                let header = json!({"alg": name, "kid": "k", "typ": "JWT"}).to_string();
                let input = signing_input(&header, &claims().to_string());
                let tag = hmac::sign(&hmac::Key::new(algorithm, secret), input.as_bytes());
                let token = format!("{input}.{}", encode(tag));
                let title = format!("{name} with secret {number} of a {} key", key.algorithm);
                // Not even a key set that contains the secret makes it acceptable.
                let oct = json!({"kty": "oct", "alg": name, "kid": "k", "k": encode(secret)});
                let both = json!({"keys": [oct, key.jwk()]});
                attacks.push(Attack::new(&title, token.clone(), &both, RefusalClass::Malformed));
                attacks.push(Attack::new(&title, token, &key_set(&[&key]), RefusalClass::Malformed));
            }
        }
    }
    attacks
}

/// One key's signature under another algorithm's name, where the key's `alg`, type or curve contradicts it.
fn other_algorithms() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for own in Algorithm::ALL {
        let key = ForeignKey::new("k", own, 0);
        let without_alg = {
            let mut jwk = key.jwk();
            jwk.as_object_mut().unwrap().remove("alg");
            json!({"keys": [jwk]})
        };
        for claimed in Algorithm::ALL.into_iter().filter(|claimed| *claimed != own) {
            let header = json!({"alg": claimed.name(), "kid": "k"}).to_string();
            let input = signing_input(&header, &claims().to_string());
            let name = format!("{claimed} by a key for {own}");
            // A valid signature by the claimed algorithm, if the key can make one.
            let sound = format!("{input}.{}", encode(key.sign(claimed, input.as_bytes())));
            attacks.push(Attack::new(&name, sound, &key_set(&[&key]), RefusalClass::UnknownKey));
            let other = format!("{input}.{}", encode(key.sign(own, input.as_bytes())));
            let family = |algorithm: Algorithm| algorithm.name().starts_with(['R', 'P']);
            let expected = if family(own) && family(claimed) {
                RefusalClass::Signature
            } else {
                RefusalClass::UnknownKey
            };
            attacks.push(Attack::new(&name, other, &without_alg, expected));
        }
    }
    attacks
}

fn wrong_signatures() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for algorithm in Algorithm::ALL {
        let key = ForeignKey::new("k", algorithm, 0);
        let theirs = ForeignKey::new("k", algorithm, 1);
        let input = signing_input(&key.header().to_string(), &claims().to_string());
        let own = key.sign(algorithm, input.as_bytes());
        let changed = |index: usize| {
            let mut changed = own.clone();
            changed[index] ^= 1;
            changed
        };
        for (name, signature) in [
            ("no signature", Vec::new()),
            ("one byte", vec![0]),
            ("zeros", vec![0; own.len()]),
            ("ones", vec![0xff; own.len()]),
            ("another key's", theirs.sign(algorithm, input.as_bytes())),
            ("of another token", key.sign(algorithm, signing_input("{}", "{}").as_bytes())),
            ("first bit changed", changed(0)),
            ("last bit changed", changed(own.len() - 1)),
            ("a byte less", own[..own.len() - 1].to_vec()),
            ("a byte less in front", own[1..].to_vec()),
            ("a byte more", [&own[..], &[0]].concat()),
            ("a byte more in front", [&[0], &own[..]].concat()),
            ("twice", [&own[..], &own].concat()),
            ("the payload's", key.sign(algorithm, claims().to_string().as_bytes())),
            ("backwards", own.iter().rev().copied().collect()),
        ] {
            let name = format!("{algorithm}: {name}");
            let token = format!("{input}.{}", encode(signature));
            attacks.push(Attack::new(name, token, &key_set(&[&key]), RefusalClass::Signature));
        }
    }
    attacks
}

/// Psychic signatures, and signatures in other encodings.
fn elliptic_signatures() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for (algorithm, half) in [(Algorithm::Es256, 32), (Algorithm::Es384, 48), (Algorithm::Es512, 66)] {
        let key = ForeignKey::new("k", algorithm, 0);
        let input = signing_input(&key.header().to_string(), &claims().to_string());
        let own = key.sign(algorithm, input.as_bytes());
        let (r, s) = own.split_at(half);
        let zero = vec![0; half];
        let mut one = zero.clone();
        one[half - 1] = 1;
        for (name, first, second) in [
            ("r = s = 0", &zero[..], &zero[..]),
            ("r = 0", &zero, s),
            ("s = 0", r, &zero),
            ("r = s = 1", &one, &one),
            ("r = 1", &one, s),
            ("s = 1", r, &one),
            ("exchanged", s, r),
            ("r twice", r, r),
            ("s twice", s, s),
            ("r as DER", &[&[0x30, 0x45, 0x02], r].concat(), s),
        ] {
            let token = format!("{input}.{}", encode([first, second].concat()));
            attacks.push(Attack::new(
                format!("{algorithm}: {name}"),
                token,
                &key_set(&[&key]),
                RefusalClass::Signature,
            ));
        }
        if algorithm == Algorithm::Es256 {
            // The order of P-256 as r and as s: zero, modulo itself.
            let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
            let order: Vec<u8> =
                (0..32).map(|at| u8::from_str_radix(&order[2 * at..2 * at + 2], 16).unwrap()).collect();
            for (name, first, second) in
                [("r = s = n", &order[..], &order[..]), ("r = n", &order, s), ("s = n", r, &order)]
            {
                let token = format!("{input}.{}", encode([first, second].concat()));
                attacks.push(Attack::new(name, token, &key_set(&[&key]), RefusalClass::Signature));
            }
        }
    }
    attacks.push(der_signature());
    attacks
}

/// A genuine signature in ASN.1, which JOSE does not use (RFC 7518 §3.4).
fn der_signature() -> Attack {
    let der = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let pkcs8 = der.to_pkcs8v1().unwrap();
    let der = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
    let point = aws_lc_rs::signature::KeyPair::public_key(&der).as_ref();
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "kid": "k", "x": encode(&point[1..33]), "y": encode(&point[33..]),
    });
    let input = signing_input(r#"{"alg":"ES256","kid":"k"}"#, &claims().to_string());
    let signature = der.sign(&aws_lc_rs::rand::SystemRandom::new(), input.as_bytes()).unwrap();
    let token = format!("{input}.{}", encode(signature));
    Attack::new("ES256 as DER", token, &json!({"keys": [jwk]}), RefusalClass::Signature)
}
