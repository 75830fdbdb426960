//! Three parts of base64url, two of them JSON objects (RFC 7515 §7.1).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};

use super::*;
use crate::foreign_issuer::{encode, signing_input};

pub(super) fn attacks() -> Vec<Attack> {
    [parts(), encodings(), members(), no_objects()].into_iter().flatten().collect()
}

fn key() -> ForeignKey {
    ForeignKey::rs256("k", 0)
}

fn malformed(name: impl Into<String>, token: String) -> Attack {
    Attack::new(name, token, &key_set(&[&key()]), RefusalClass::Malformed)
}

fn parts() -> Vec<Attack> {
    let good = key().token(&claims());
    let (h, rest) = good.split_once('.').unwrap();
    let (p, s) = rest.split_once('.').unwrap();
    let jwe = encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM","zip":"DEF"}"#);
    let pbes2 = encode(r#"{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":2147483647,"p2s":"AAAA"}"#);
    let flattened = json!({"payload": p, "protected": h, "signature": s});
    [
        ("nothing", String::new()),
        ("a dot", ".".into()),
        ("two dots", "..".into()),
        ("one part", h.to_owned()),
        ("two parts", format!("{h}.{p}")),
        ("no header", format!(".{p}.{s}")),
        ("no payload", format!("{h}..{s}")),
        ("a dot in front", format!(".{good}")),
        ("a dot behind", format!("{good}.")),
        ("four parts", format!("{good}.{s}")),
        ("five parts", format!("{h}.{p}.{s}.{p}.{s}")),
        ("an encrypted token", format!("{jwe}.AAAA.AAAA.AAAA.AAAA")),
        ("an encrypted token by password", format!("{pbes2}.AAAA.AAAA.AAAA.AAAA")),
        ("an encrypted token in three parts", format!("{jwe}.{p}.{s}")),
        ("dots", ".".repeat(16 * 1024)),
        ("more dots", ".".repeat(1_000_000)),
        ("the JSON form", flattened.to_string()),
        ("two tokens", format!("{good} {good}")),
        ("with its scheme", format!("Bearer {good}")),
        ("too long", format!("{h}.{}.{s}", "A".repeat(16 * 1024))),
    ]
    .into_iter()
    .map(|(name, token)| malformed(name, token))
    .collect()
}

/// Signed exactly as encoded, so that only the form is wrong.
fn encodings() -> Vec<Attack> {
    let (header, claims) = (key().header().to_string(), with("sub", json!("???>>>~~~~")).to_string());
    let mut attacks = Vec::new();
    let mut signed = |name: &str, input: String| attacks.push(malformed(name, key().signed(&input)));
    let padded = |text: &str| {
        let mut text = text.to_owned();
        while text.len().is_multiple_of(3) {
            text.push(' ');
        }
        URL_SAFE.encode(text)
    };
    let standard = STANDARD_NO_PAD.encode(format!("{claims}  "));
    assert!(standard.contains(['+', '/']), "else this tests nothing");
    signed("padded header", format!("{}.{}", padded(&header), encode(&claims)));
    signed("padded payload", format!("{}.{}", encode(&header), padded(&claims)));
    signed("standard base64", format!("{}.{standard}", encode(&header)));
    signed("blank in front", format!(" {}", signing_input(&header, &claims)));
    signed("line break behind", format!("{}\n", signing_input(&header, &claims)));
    signed("percent", format!("{}%3D", signing_input(&header, &claims)));
    signed("plain JSON", format!("{header}.{claims}").replace('.', "_"));
    signed("not ASCII", format!("{}é", signing_input(&header, &claims)));

    let good = key().token(&super::claims());
    let (input, signature) = good.rsplit_once('.').unwrap();
    let raw = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
    for (name, signature) in [
        ("padded signature", format!("{signature}==")),
        ("standard signature", STANDARD.encode(&raw)),
        ("signature with a blank", format!(" {signature}")),
        ("signature with a line break", format!("{signature}\n")),
        ("signature with NUL", format!("{signature}\0")),
        (
            "hexadecimal signature",
            raw.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")) + "=",
        ),
    ] {
        attacks.push(malformed(name, format!("{input}.{signature}")));
    }
    // 256 bytes leave four unused bits in the last character; all must be zero in the one valid encoding.
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (start, last) = good.split_at(good.len() - 1);
    let digit = alphabet.iter().position(|one| last.as_bytes()[0] == *one).unwrap();
    for unused in 1..16 {
        let token = format!("{start}{}", char::from(alphabet[digit + unused]));
        attacks.push(malformed(format!("another spelling of the signature, {unused}"), token));
    }
    attacks
}

fn members() -> Vec<Attack> {
    let payload = claims().to_string();
    let body = &payload[1..payload.len() - 1];
    let mut attacks = Vec::new();
    for header in [
        r#"{"alg":"RS256","alg":"RS256","kid":"k"}"#,
        r#"{"alg":"none","kid":"k","alg":"RS256"}"#,
        r#"{"alg":"RS256","kid":"k","alg":"none"}"#,
        r#"{"alg":"RS256","kid":"other","kid":"k"}"#,
        r#"{"alg":"RS256","kid":"k","\u006bid":"k"}"#,
        r#"{"alg":"RS256","kid":"k","x":1,"x":2}"#,
        r#"{"alg":"RS256","kid":"k","jwk":{"kty":"RSA","kty":"RSA"}}"#,
    ] {
        attacks.push(malformed(header, key().signed(&signing_input(header, &payload))));
    }
    for payload in [
        format!(r#"{{"iss":"https://evil.example",{body}}}"#),
        format!(r#"{{{body},"iss":"https://evil.example"}}"#),
        format!(r#"{{{body},"sub":"repo:acme/other"}}"#),
        format!(r#"{{{body},"\u0073ub":"repo:acme/other"}}"#),
        format!(r#"{{{body},"aud":"{AUDIENCE}"}}"#),
        format!(r#"{{{body},"exp":{}}}"#, NOW + 300),
        format!(r#"{{{body},"x":1,"x":1}}"#),
        format!(r#"{{{body},"kubernetes.io":{{"namespace":"a","namespace":"b"}}}}"#),
        format!(r#"{{{body},"groups":[{{"id":1,"id":2}}]}}"#),
    ] {
        let header = key().header().to_string();
        attacks
            .push(malformed(&payload[payload.len() - 30..], key().signed(&signing_input(&header, &payload))));
    }
    attacks
}

fn no_objects() -> Vec<Attack> {
    let (header, payload) = (key().header().to_string(), claims().to_string());
    let deep = format!("{{\"a\":{}", "[".repeat(5_000));
    let mut attacks = Vec::new();
    for text in [
        "",
        "null",
        "1",
        "\"x\"",
        "[]",
        "{",
        "}",
        "{}x",
        "{}{}",
        "{\"a\":}",
        "{'a':1}",
        "{a:1}",
        "{\"a\":1,}",
        "{\"a\":NaN}",
        "{\"a\":01}",
        "{\"a\":1e400}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\ud800\"}",
        "\u{feff}{}",
        "/**/{}",
        &deep,
    ] {
        attacks.push(malformed(format!("header {text:.20}"), key().signed(&signing_input(text, &payload))));
        attacks.push(malformed(format!("payload {text:.20}"), key().signed(&signing_input(&header, text))));
    }
    for bytes in
        [&b"{\"sub\":\"\xff\"}"[..], b"{\"sub\":\"\xc0\x80\"}", b"\xff\xfe{\x00}\x00", b"{\"a\":\"\0\"}"]
    {
        let input = format!("{}.{}", encode(&header), encode(bytes));
        attacks.push(malformed("no UTF-8", key().signed(&input)));
    }
    let nested = encode(key().token(&claims()));
    attacks.push(malformed("a token in a token", key().signed(&format!("{}.{nested}", encode(&header)))));
    attacks
}

#[test]
fn a_token_may_be_exactly_as_long_as_the_limit() {
    let key = key();
    let keys = set(&key_set(&[&key]));
    let of_fill = |fill: usize| key.token(&with("x", json!("x".repeat(fill))));
    let most = (11_000..13_000).rev().find(|fill| of_fill(*fill).len() <= 16 * 1024).unwrap();
    verify(&of_fill(most), &keys).unwrap();
    assert!(matches!(verify(&of_fill(most + 4), &keys), Err(TokenError::TooLong(_))));
}

#[test]
fn no_byte_of_a_token_can_be_changed_removed_or_added() {
    for key in [ForeignKey::rs256("k", 0), ForeignKey::es256("k"), ForeignKey::new("k", Algorithm::EdDsa, 0)]
    {
        let (good, keys) = (key.token(&claims()), set(&key_set(&[&key])));
        verify(&good, &keys).unwrap();
        for index in 0..good.len() {
            let mut changed = good.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(verify(&changed, &keys).is_err(), "{index}: {changed}");
            assert!(verify(&good[..index], &keys).is_err(), "cut to {index}");
            let grown = format!("{}A{}", &good[..index], &good[index..]);
            assert!(verify(&grown, &keys).is_err(), "grown at {index}");
        }
    }
}
