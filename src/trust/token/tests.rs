//! Attacks on verification. Each begins with a token that is good but for one thing.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use proptest::prelude::*;
use ring::hmac;
use serde_json::json;

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

fn set(keys: &[Value]) -> JwkSet {
    serde_json::from_value(json!({"keys": keys})).unwrap()
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

fn verify_by(token: &str, keys: &JwkSet) -> Result<VerifiedToken, TokenError> {
    UnverifiedToken::parse(token)?.verify(keys, ISSUER, Timestamp::from_second(NOW).unwrap())
}

fn verify(token: &str) -> Result<VerifiedToken, TokenError> {
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
    let verified = verify(&good()).unwrap();
    assert_eq!(Value::Object(verified.claims().clone()), claims());
    verified.for_audience("acme").unwrap();
}

#[test]
fn refuses_no_algorithm_in_any_spelling() {
    for alg in [r#""none""#, r#""None""#, r#""NONE""#, r#""nOnE""#, r#""none ""#, r#""""#, "null", "0", "[]"]
    {
        let header = format!(r#"{{"alg":{alg},"kid":"k1","typ":"JWT"}}"#);
        let input = input(&header, &claims().to_string());
        assert_malformed(&format!("{input}."));
        assert_malformed(&input);
        assert_malformed(&signed(&header, &claims().to_string()));
    }
    assert_malformed(&signed(r#"{"kid":"k1"}"#, &claims().to_string()));
}

#[test]
fn refuses_a_shared_secret_made_of_public_material() {
    let jwk = jwk(ours());
    let der = ours().public_key().as_ref().to_vec();
    let pem =
        format!("-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n", STANDARD.encode(&der));
    let n = jwk["n"].as_str().unwrap();
    let secrets: [Vec<u8>; 7] = [
        URL_SAFE_NO_PAD.decode(n).unwrap(),
        n.as_bytes().to_vec(),
        jwk.to_string().into_bytes(),
        der,
        pem.into_bytes(),
        b"k1".to_vec(),
        Vec::new(),
    ];
    for (name, algorithm) in
        [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
    {
        for secret in &secrets {
            let input = input(&format!(r#"{{"alg":"{name}","kid":"k1"}}"#), &claims().to_string());
            let tag = hmac::sign(&hmac::Key::new(algorithm, secret), input.as_bytes());
            let token = format!("{input}.{}", encode(tag));
            assert_eq!(refusal(&token), TokenError::Algorithm(name.into()));
            // Not even a key set that holds the secret makes it acceptable.
            let oct = set(&[json!({"kty": "oct", "kid": "k1", "k": encode(secret)})]);
            assert_eq!(verify_by(&token, &oct).unwrap_err(), TokenError::Algorithm(name.into()));
        }
    }
}

#[test]
fn a_key_that_comes_with_the_token_is_not_looked_at() {
    let mut theirs_as_ours = jwk(theirs());
    for (name, value) in [
        ("jwk", theirs_as_ours.clone()),
        ("jku", json!("http://127.0.0.1:1/jwks")),
        ("x5u", json!("http://127.0.0.1:1/chain.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
    ] {
        let mut header: Value = serde_json::from_str(HEADER).unwrap();
        header[name] = value;
        let forged = input(&header.to_string(), &claims().to_string());
        let forged = sign_input(&forged, theirs(), &RSA_PKCS1_SHA256);
        assert_eq!(refusal(&forged), TokenError::Signature, "{name}");
        // `kid` alone decides: with our signature the token is good in spite of it.
        verify(&signed(&header.to_string(), &claims().to_string())).unwrap();
        header.as_object_mut().unwrap().remove("kid");
        let forged = input(&header.to_string(), &claims().to_string());
        assert_eq!(refusal(&sign_input(&forged, theirs(), &RSA_PKCS1_SHA256)), TokenError::NoKeyId, "{name}");
    }
    // A second key of the set is not tried when the named one does not fit.
    theirs_as_ours["kid"] = json!("k2");
    let keys = set(&[jwk(ours()), theirs_as_ours]);
    let forged = sign_input(&input(HEADER, &claims().to_string()), theirs(), &RSA_PKCS1_SHA256);
    assert_eq!(verify_by(&forged, &keys).unwrap_err(), TokenError::Signature);
}

#[test]
fn kid_names_a_key_of_the_set_exactly() {
    for kid in
        ["", "k", "k2", "K1", " k1", "k1 ", "k1\0", "../k1", "/dev/null", "k1'--", "http://127.0.0.1:1/"]
    {
        let header = json!({"alg": "RS256", "kid": kid}).to_string();
        assert_eq!(refusal(&signed(&header, &claims().to_string())), TokenError::UnknownKey(kid.into()));
    }
    for header in [r#"{"alg":"RS256"}"#, r#"{"alg":"RS256","kid":null}"#] {
        assert_eq!(refusal(&signed(header, &claims().to_string())), TokenError::NoKeyId);
    }
    for kid in ["1", "true", r#"["k1"]"#, r#"{"k1":1}"#] {
        assert_malformed(&signed(&format!(r#"{{"alg":"RS256","kid":{kid}}}"#), &claims().to_string()));
    }
    let unnamed = set(&[json!({"kty": "RSA", "n": jwk(ours())["n"], "e": "AQAB"})]);
    assert_eq!(verify_by(&good(), &unnamed).unwrap_err(), TokenError::UnknownKey("k1".into()));
    assert_eq!(verify_by(&good(), &set(&[])).unwrap_err(), TokenError::UnknownKey("k1".into()));
}

#[test]
fn refuses_everything_critical() {
    for crit in [r#"["b64"]"#, r#"["exp"]"#, "[]", "null"] {
        let header = format!(r#"{{"alg":"RS256","kid":"k1","b64":true,"crit":{crit}}}"#);
        assert_eq!(refusal(&signed(&header, &claims().to_string())), TokenError::Critical, "{crit}");
    }
    for crit in [r#""b64""#, "1", "{}", "[1]"] {
        let header = format!(r#"{{"alg":"RS256","kid":"k1","crit":{crit}}}"#);
        assert_malformed(&signed(&header, &claims().to_string()));
    }
}

#[test]
fn the_algorithm_is_the_keys_and_not_the_tokens_choice() {
    let others: [(&str, &'static dyn RsaEncoding); 3] =
        [("RS384", &RSA_PKCS1_SHA384), ("RS512", &RSA_PKCS1_SHA512), ("PS256", &RSA_PSS_SHA256)];
    let any_algorithm = set(&[json!({"kty": "RSA", "kid": "k1", "n": jwk(ours())["n"], "e": "AQAB"})]);
    for (name, padding) in others {
        let input = input(&format!(r#"{{"alg":"{name}","kid":"k1"}}"#), &claims().to_string());
        let token = sign_input(&input, ours(), padding);
        let wrong = TokenError::KeyAlgorithm { kid: "k1".into(), algorithm: name.into() };
        assert_eq!(refusal(&token), wrong);
        // The signature itself was sound, so it was the key's `alg` that refused it.
        verify_by(&token, &any_algorithm).unwrap();
    }
    // One algorithm's signature under another one's name.
    let input = input(HEADER, &claims().to_string());
    assert_eq!(refusal(&sign_input(&input, ours(), &RSA_PSS_SHA256)), TokenError::Signature);
    assert_eq!(refusal(&sign_input(&input, ours(), &RSA_PKCS1_SHA512)), TokenError::Signature);
    for name in ["ES256", "ES384", "EdDSA"] {
        let token = signed(&format!(r#"{{"alg":"{name}","kid":"k1"}}"#), &claims().to_string());
        let wrong = TokenError::KeyAlgorithm { kid: "k1".into(), algorithm: name.into() };
        assert_eq!(verify_by(&token, &any_algorithm).unwrap_err(), wrong);
    }
}

#[test]
fn refuses_a_key_that_is_not_for_signatures() {
    let wrong = TokenError::KeyAlgorithm { kid: "k1".into(), algorithm: "RS256".into() };
    for (name, value) in [("use", "enc"), ("use", "tls"), ("alg", "RSA-OAEP"), ("alg", "HS256")] {
        let mut key = jwk(ours());
        key[name] = json!(value);
        assert_eq!(verify_by(&good(), &set(&[key])).unwrap_err(), wrong, "{name} {value}");
    }
}

#[test]
fn refuses_every_changed_byte_and_every_cut() {
    let good = good();
    let keys = set(&[jwk(ours())]);
    for index in 0..good.len() {
        let mut changed = good.clone().into_bytes();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(verify_by(&changed, &keys).is_err(), "{index}: {changed}");
        assert!(verify_by(&good[..index], &keys).is_err(), "cut to {index}");
        let grown = format!("{}A{}", &good[..index], &good[index..]);
        assert!(verify_by(&grown, &keys).is_err(), "grown at {index}");
    }
    assert!(verify(&format!("{good}A")).is_err());
}

#[test]
fn refuses_a_signature_of_another_form() {
    let good = good();
    let (input, signature) = good.rsplit_once('.').unwrap();
    let other = signed(HEADER, &with("sub", json!("t")).to_string());
    for wrong in [
        String::new(),
        signature[..signature.len() - 4].to_owned(),
        format!("{signature}AAAA"),
        "A".repeat(signature.len()),
        other.rsplit_once('.').unwrap().1.to_owned(),
        format!("{signature}=="),
        format!(" {signature}"),
        format!("{signature}\n"),
        signature.replace(['-', '_'], "+"),
        STANDARD.encode(URL_SAFE_NO_PAD.decode(signature).unwrap()),
    ] {
        assert_eq!(refusal(&format!("{input}.{wrong}")), TokenError::Signature, "{wrong}");
    }
}

#[test]
fn refuses_a_second_spelling_of_the_same_signature() {
    let good = good();
    // 256 bytes leave four unused bits in the last character. All zero is the one right way to write them.
    let (start, last) = good.split_at(good.len() - 1);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = alphabet.iter().position(|one| last.as_bytes()[0] == *one).unwrap();
    for unused in 1..16 {
        let token = format!("{start}{}", char::from(alphabet[digit + unused]));
        assert_eq!(refusal(&token), TokenError::Signature, "{unused}");
    }
}

#[test]
fn header_and_payload_are_base64url_and_nothing_like_it() {
    // Signed as they stand, so that only their form is wrong.
    let payload = with("sub", json!("???>>>~~~~"));
    let (header, payload) = (HEADER.to_owned() + " ", payload.to_string() + "  ");
    assert!(STANDARD_NO_PAD.encode(&payload).contains(['+', '/']), "else this tests nothing");
    verify(&signed(&header, &payload)).unwrap();
    for (header, payload) in [
        (encode(&header), STANDARD_NO_PAD.encode(&payload)),
        (encode(&header), URL_SAFE.encode(format!("{payload} "))),
        (URL_SAFE.encode(format!("{header} ")), encode(&payload)),
        (format!(" {}", encode(&header)), encode(&payload)),
        (encode(&header), format!("{}\n", encode(&payload))),
        (encode(&header), format!("{}%20", encode(&payload))),
    ] {
        if header.contains('=') || payload.contains(['=', '+', '/', '\n', '%']) || header.starts_with(' ') {
            assert_malformed(&sign_input(&format!("{header}.{payload}"), ours(), &RSA_PKCS1_SHA256));
        } else {
            panic!("this is base64url: {header}.{payload}");
        }
    }
}

#[test]
fn a_token_has_three_parts() {
    let good = good();
    let parts: Vec<&str> = good.split('.').collect();
    let [h, p, s] = parts[..] else { panic!("{good}") };
    for token in [
        String::new(),
        ".".into(),
        "..".into(),
        h.into(),
        format!("{h}.{p}"),
        format!(".{good}"),
        format!("{good}."),
        format!("{h}..{p}.{s}"),
        format!("{h}.{p}.{s}.{s}"),
        // An encrypted token has five parts; it is refused unopened.
        format!("{h}.{p}.{s}.{p}.{s}"),
        format!("{}.a.b.c.d", encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM","zip":"DEF"}"#)),
        ".".repeat(MAX_TOKEN_BYTES),
    ] {
        let parts = token.split('.').count();
        let expected = if parts == 3 { String::new() } else { format!("it has {parts} parts, not 3") };
        let TokenError::Malformed(why) = refusal(&token) else { panic!("{token}") };
        assert!(why.contains(&expected), "{why}");
    }
    for (token, part) in [(format!(".{p}.{s}"), "header"), (format!("{h}..{s}"), "payload")] {
        let refusal = refusal(&token);
        assert!(matches!(refusal, TokenError::Malformed(_)), "no {part}: {refusal}");
    }
}

#[test]
fn refuses_a_member_that_stands_twice() {
    let payload = claims().to_string();
    for header in [
        r#"{"alg":"RS256","alg":"RS256","kid":"k1"}"#,
        r#"{"alg":"none","kid":"k1","alg":"RS256"}"#,
        r#"{"alg":"RS256","kid":"k2","kid":"k1"}"#,
        r#"{"alg":"RS256","kid":"k1","\u006bid":"k1"}"#,
        r#"{"alg":"RS256","kid":"k1","x":1,"x":2}"#,
    ] {
        assert_malformed(&signed(header, &payload));
    }
    let body = &payload[1..payload.len() - 1];
    for payload in [
        format!(r#"{{"iss":"https://evil.example",{body}}}"#),
        format!(r#"{{{body},"sub":"t"}}"#),
        format!(r#"{{{body},"\u0073ub":"t"}}"#),
        format!(r#"{{{body},"aud":"acme"}}"#),
        format!(r#"{{{body},"exp":{}}}"#, NOW + 3600),
        format!(r#"{{{body},"x":1,"x":1}}"#),
    ] {
        assert_malformed(&signed(HEADER, &payload));
    }
}

#[test]
fn header_and_payload_are_json_objects() {
    let deep = "[".repeat(5_000);
    for text in
        ["", "null", "1", "\"x\"", "[]", "{", "{}x", "{}{}", "{\"a\":}", "{'a':1}", "\u{feff}{}", &deep]
    {
        assert_malformed(&signed(text, &claims().to_string()));
        assert_malformed(&signed(HEADER, text));
    }
    for bytes in [&b"{\"sub\":\"\xff\"}"[..], b"{\"sub\":\"\xc0\x80\"}", b"\xff\xfe{\x00}\x00"] {
        let text = format!("{}.{}", encode(HEADER), encode(bytes));
        assert_malformed(&sign_input(&text, ours(), &RSA_PKCS1_SHA256));
    }
    assert_eq!(
        refusal(&signed(HEADER, "{}")),
        TokenError::Issuer { expected: ISSUER.into(), found: "(none)".into() }
    );
}

#[test]
fn a_long_token_is_refused_before_it_is_read() {
    let of_length = |wanted: usize| {
        // Only some lengths have a base64url form, so both parts vary.
        (0..3).flat_map(|spaces| (11_000..12_300).map(move |fill| (spaces, fill))).find_map(
            |(spaces, fill)| {
                let header = HEADER.to_owned() + &" ".repeat(spaces);
                let length = (header.len() * 4).div_ceil(3)
                    + 1
                    + ((claims().to_string().len() + fill) * 4).div_ceil(3)
                    + 343;
                (length == wanted).then(|| signed(&header, &(claims().to_string() + &" ".repeat(fill))))
            },
        )
    };
    let longest = of_length(MAX_TOKEN_BYTES).unwrap();
    assert_eq!(longest.len(), MAX_TOKEN_BYTES);
    verify(&longest).unwrap();
    let longer = of_length(MAX_TOKEN_BYTES + 1).unwrap();
    assert_eq!(refusal(&longer), TokenError::TooLong(MAX_TOKEN_BYTES + 1));
    assert_eq!(refusal(&"x".repeat(1 << 24)), TokenError::TooLong(1 << 24));
}

#[test]
fn a_time_is_a_whole_number_or_the_token_is_refused() {
    for name in ["exp", "iat", "nbf"] {
        for wrong in [
            Value::Null,
            json!(""),
            json!((NOW + 60).to_string()),
            json!("never"),
            json!(1.5),
            json!(1_800_000_000.0),
            json!(1e300),
            json!(true),
            json!(false),
            json!([NOW]),
            json!({}),
            json!(u64::MAX),
            json!(i64::MAX),
            json!(i64::MIN),
        ] {
            assert_eq!(refusal_of(&with(name, wrong.clone())), TokenError::NotATime(name), "{wrong}");
        }
    }
    // A number that no machine word holds.
    let huge = claims().to_string().replace(&(NOW + 3600).to_string(), &"9".repeat(400));
    assert!(verify(&signed(HEADER, &huge)).is_err());
    assert_eq!(refusal_of(&without("exp")), TokenError::NotATime("exp"));
    assert_eq!(refusal_of(&without("iat")), TokenError::NotATime("iat"));
    verify(&signed(HEADER, &without("nbf").to_string())).unwrap();
    assert_eq!(refusal_of(&with("exp", json!(-1))), TokenError::Expired(Timestamp::from_second(-1).unwrap()));
    verify(&signed(HEADER, &with("nbf", json!(-1)).to_string())).unwrap();
    verify(&signed(HEADER, &with("iat", json!(-1)).to_string())).unwrap();
}

#[test]
fn the_leeway_is_sixty_seconds_and_not_one_more() {
    let at = |seconds| Timestamp::from_second(NOW + seconds).unwrap();
    let verify = |name, seconds: i64| verify(&signed(HEADER, &with(name, json!(NOW + seconds)).to_string()));
    verify("exp", -59).unwrap();
    assert_eq!(verify("exp", -60).unwrap_err(), TokenError::Expired(at(-60)));
    assert_eq!(verify("exp", -61).unwrap_err(), TokenError::Expired(at(-61)));
    verify("nbf", 60).unwrap();
    assert_eq!(verify("nbf", 61).unwrap_err(), TokenError::NotYetValid(at(61)));
    verify("iat", 60).unwrap();
    assert_eq!(verify("iat", 61).unwrap_err(), TokenError::IssuedInFuture(at(61)));
}

#[test]
fn the_issuer_is_byte_equal() {
    for wrong in [
        Value::Null,
        json!(""),
        json!("https"),
        json!("https://id.example.com/oidc/"),
        json!("https://id.example.com"),
        json!("https://ID.example.com/oidc"),
        json!("https://id.example.com:443/oidc"),
        json!("http://id.example.com/oidc"),
        json!("https://id.example.com/oidc\0"),
        json!(" https://id.example.com/oidc"),
        json!("https://id.example.com/oidc?"),
        json!("https://a@id.example.com/oidc"),
        json!([ISSUER]),
        json!([ISSUER, "https://evil.example"]),
        json!({"iss": ISSUER}),
        json!(1),
        json!(true),
    ] {
        let refusal = refusal_of(&with("iss", wrong.clone()));
        assert!(matches!(refusal, TokenError::Issuer { .. }), "{wrong}: {refusal}");
    }
    let missing = TokenError::Issuer { expected: ISSUER.into(), found: "(none)".into() };
    assert_eq!(refusal_of(&without("iss")), missing);
}

#[test]
fn the_audience_is_this_one_and_no_other() {
    let for_acme = |aud: Value| verify(&signed(HEADER, &with("aud", aud).to_string()))?.for_audience("acme");
    for_acme(json!("acme")).unwrap();
    for_acme(json!(["acme"])).unwrap();
    for wrong in [
        Value::Null,
        json!(""),
        json!("acm"),
        json!("acmee"),
        json!("ACME"),
        json!("acme "),
        json!("acme,other"),
        json!([]),
        json!(["acme", "other"]),
        json!(["other", "acme"]),
        json!(["acme", "acme"]),
        json!([["acme"]]),
        json!([1]),
        json!(1),
        json!(true),
        json!({"acme": true}),
    ] {
        let refusal = for_acme(wrong.clone()).unwrap_err();
        assert!(matches!(refusal, TokenError::Audience { .. }), "{wrong}: {refusal}");
    }
    let missing = verify(&signed(HEADER, &without("aud").to_string())).unwrap();
    let found = "(none)".to_owned();
    assert_eq!(missing.for_audience("acme"), Err(TokenError::Audience { expected: "acme".into(), found }));
}

#[test]
fn an_elliptic_signature_of_zeros_is_refused() {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = key.public_key().as_ref();
    let mut jwk = json!({
        "kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256", "kid": "k1",
        "x": encode(&point[1..33]), "y": encode(&point[33..]),
    });
    let input = input(r#"{"alg":"ES256","kid":"k1"}"#, &claims().to_string());
    let signature = key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    let verify = |signature: &[u8], jwk: &Value| {
        verify_by(&format!("{input}.{}", encode(signature)), &set(std::slice::from_ref(jwk)))
    };
    verify(signature.as_ref(), &jwk).unwrap();

    let as_der = EcdsaKeyPair::from_private_key_der(
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::EcPrivateKeyRfc5915Der>::as_der(&key.private_key())
            .unwrap()
            .as_ref(),
    );
    let as_der = as_der.unwrap().sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    let mut one = [0; 64];
    (one[31], one[63]) = (1, 1);
    let (r, s) = signature.as_ref().split_at(32);
    for wrong in [
        vec![0; 64],
        vec![0; 63],
        Vec::new(),
        one.to_vec(),
        vec![0xff; 64],
        [r, &[0; 32]].concat(),
        [&[0; 32], s].concat(),
        [s, r].concat(),
        [signature.as_ref(), &[0]].concat(),
        [&[0], signature.as_ref()].concat(),
        as_der.as_ref().to_vec(),
    ] {
        assert_eq!(verify(&wrong, &jwk).unwrap_err(), TokenError::Signature, "{wrong:?}");
    }
    // A public key that is not on the curve, or at infinity.
    for coordinate in [[0; 32], [1; 32]] {
        (jwk["x"], jwk["y"]) = (json!(encode(coordinate)), json!(encode(coordinate)));
        verify(signature.as_ref(), &jwk).unwrap_err();
        verify(&[0; 64], &jwk).unwrap_err();
    }
}

#[test]
fn what_cannot_be_a_key_verifies_nothing() {
    let n = jwk(ours())["n"].clone();
    for (n, e) in [
        (json!(""), "AQAB"),
        (json!("AA"), "AQAB"),
        (json!("AQ"), "AQ"),
        (json!("not base64"), "AQAB"),
        (n.clone(), ""),
        (n.clone(), "AA"),
        (n, "AQ"),
    ] {
        let key = json!({"kty": "RSA", "alg": "RS256", "kid": "k1", "n": n, "e": e});
        verify_by(&good(), &set(&[key])).unwrap_err();
    }
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
        let unverified = UnverifiedToken::parse(&token).unwrap();
        let now = Timestamp::from_second(now).unwrap();
        if let Ok(verified) = unverified.verify(&set(&[jwk(ours())]), ISSUER, now) {
            let _ = verified.for_audience("acme");
        }
    }
}
