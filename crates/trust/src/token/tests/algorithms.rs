//! Which algorithm and which key: never the token's choice.

use super::*;

#[test]
fn refuses_no_algorithm_in_any_spelling() {
    for alg in [r#""none""#, r#""None""#, r#""NONE""#, r#""nOnE""#, r#""none ""#, r#""""#, "null", "0", "[]"]
    {
        let header = format!(r#"{{"alg":{alg},"kid":"k1","typ":"JWT"}}"#);
        let input = input(&header, &claims().to_string());
        assert_malformed(&input);
        for token in [format!("{input}."), signed(&header, &claims().to_string())] {
            assert_eq!(refusal(&token).class(), RefusalClass::Malformed, "{token}");
        }
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
        // Without it, the one key that fits.
        header.as_object_mut().unwrap().remove("kid");
        let forged = input(&header.to_string(), &claims().to_string());
        assert_eq!(
            refusal(&sign_input(&forged, theirs(), &RSA_PKCS1_SHA256)),
            TokenError::Signature,
            "{name}"
        );
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
    let unnamed = signed(r#"{"alg":"RS256"}"#, &claims().to_string());
    verify(&unnamed).unwrap();
    let two = set(&[jwk(ours()), jwk(theirs())]);
    assert_eq!(verify_by(&unnamed, &two).unwrap_err(), TokenError::NoKeyId { fitting: 2 });
    assert_eq!(verify_by(&good(), &two).unwrap_err(), TokenError::AmbiguousKey("k1".into()));
    for kid in ["null", "1", "true", r#"["k1"]"#, r#"{"k1":1}"#] {
        assert_malformed(&signed(&format!(r#"{{"alg":"RS256","kid":{kid}}}"#), &claims().to_string()));
    }
    let unnamed = set(&[json!({"kty": "RSA", "n": jwk(ours())["n"], "e": "AQAB"})]);
    assert_eq!(verify_by(&good(), &unnamed).unwrap_err(), TokenError::UnknownKey("k1".into()));
    assert_eq!(verify_by(&good(), &set(&[])).unwrap_err(), TokenError::UnknownKey("k1".into()));
}

#[test]
fn refuses_everything_critical() {
    for crit in [r#"["b64"]"#, r#"["exp"]"#, "[]", "null", r#""b64""#, "1", "{}", "[1]"] {
        let header = format!(r#"{{"alg":"RS256","kid":"k1","b64":true,"crit":{crit}}}"#);
        assert_eq!(refusal(&signed(&header, &claims().to_string())), TokenError::Critical, "{crit}");
    }
}

#[test]
fn the_algorithm_is_the_keys_and_not_the_tokens_choice() {
    use Algorithm::{EdDsa, Es256, Es384, Ps256, Rs384, Rs512};
    let others: [(Algorithm, &'static dyn RsaEncoding); 3] =
        [(Rs384, &RSA_PKCS1_SHA384), (Rs512, &RSA_PKCS1_SHA512), (Ps256, &RSA_PSS_SHA256)];
    let any_algorithm = set(&[json!({"kty": "RSA", "kid": "k1", "n": jwk(ours())["n"], "e": "AQAB"})]);
    for (algorithm, padding) in others {
        let input = input(&format!(r#"{{"alg":"{algorithm}","kid":"k1"}}"#), &claims().to_string());
        let token = sign_input(&input, ours(), padding);
        let wrong = TokenError::KeyAlgorithm { key_id: "k1".into(), algorithm };
        assert_eq!(refusal(&token), wrong);
        // The signature itself was sound, so it was the key's `alg` that refused it.
        verify_by(&token, &any_algorithm).unwrap();
    }
    // One algorithm's signature under another one's name.
    let input = input(HEADER, &claims().to_string());
    assert_eq!(refusal(&sign_input(&input, ours(), &RSA_PSS_SHA256)), TokenError::Signature);
    assert_eq!(refusal(&sign_input(&input, ours(), &RSA_PKCS1_SHA512)), TokenError::Signature);
    for algorithm in [Es256, Es384, EdDsa] {
        let token = signed(&format!(r#"{{"alg":"{algorithm}","kid":"k1"}}"#), &claims().to_string());
        let wrong = TokenError::KeyAlgorithm { key_id: "k1".into(), algorithm };
        assert_eq!(verify_by(&token, &any_algorithm).unwrap_err(), wrong);
    }
}

#[test]
fn refuses_a_key_that_is_not_for_signatures() {
    let wrong = TokenError::UnknownKey("k1".into());
    for (name, value) in [("use", "enc"), ("use", "tls"), ("alg", "RSA-OAEP"), ("alg", "HS256")] {
        let mut key = jwk(ours());
        key[name] = json!(value);
        assert_eq!(verify_by(&good(), &set(&[key])).unwrap_err(), wrong, "{name} {value}");
    }
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
