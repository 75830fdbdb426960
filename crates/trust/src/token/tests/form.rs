//! The three parts and their encoding.

use super::*;

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
        signature[..signature.len() - 2].to_owned(),
        format!("{signature}AAAA"),
        "A".repeat(signature.len()),
        other.rsplit_once('.').unwrap().1.to_owned(),
    ] {
        assert_eq!(refusal(&format!("{input}.{wrong}")), TokenError::Signature, "{wrong}");
    }
    for wrong in [
        format!("{signature}=="),
        format!(" {signature}"),
        format!("{signature}\n"),
        signature.replace(['-', '_'], "+"),
        STANDARD.encode(URL_SAFE_NO_PAD.decode(signature).unwrap()),
    ] {
        assert_malformed(&format!("{input}.{wrong}"));
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
        assert_malformed(&token);
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
        let expected = if parts == 3 {
            String::new()
        } else {
            format!("it must have 3 parts separated by dots, found {parts}")
        };
        let TokenError::Malformed(why) = refusal(&token) else { panic!("{token}") };
        assert!(why.contains(&expected), "{why}");
    }
    for (token, part) in [(format!(".{p}.{s}"), "header"), (format!("{h}..{s}"), "payload")] {
        let refusal = refusal(&token);
        assert!(matches!(refusal, TokenError::Malformed(_)), "no {part}: {refusal}");
    }
}

#[test]
fn refuses_a_duplicate_member() {
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
    assert_eq!(refusal(&signed(HEADER, "{}")), TokenError::MissingClaim("iss"));
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
