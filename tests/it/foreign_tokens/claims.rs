//! The contents of a correctly signed token: every claim in every JSON type, and every near miss.

use std::sync::LazyLock;

use super::*;

/// `NOW` as a floating-point number.
const NOW_AS_FLOAT: f64 = 1_800_000_000.0;

static KEY: LazyLock<ForeignKey> = LazyLock::new(|| ForeignKey::es256("k"));

pub(super) fn attacks() -> Vec<Attack> {
    [times(), issuers(), audiences(), subjects()].into_iter().flatten().collect()
}

fn attack(name: impl Into<String>, claims: &Value, expected: RefusalClass) -> Attack {
    Attack::new(name, KEY.token(claims), &key_set(&[&KEY]), expected)
}

/// One of each JSON type that is neither a number nor a string.
fn other_types() -> [Value; 7] {
    [
        json!(null),
        json!(true),
        json!(false),
        json!([]),
        json!([NOW + 60]),
        json!({}),
        json!({"exp": NOW + 60}),
    ]
}

fn times() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for name in ["exp", "nbf", "iat"] {
        let wrong = other_types().into_iter().chain([
            json!(""),
            json!("never"),
            json!((NOW + 60).to_string()),
            json!("1e9"),
            json!("2027-01-15T08:00:00Z"),
            json!(u64::MAX),
            json!(i64::MAX),
            json!(i64::MIN),
            json!(1e300),
            json!(-1e300),
            json!(253_402_300_800_i64),
        ]);
        for value in wrong {
            attacks.push(attack(format!("{name} {value}"), &with(name, value), RefusalClass::Malformed));
        }
        // A number too large for any machine word.
        let huge = claims().to_string().replacen(
            &format!("\"{name}\":1"),
            &format!("\"{name}\":{}1", "9".repeat(30)),
            1,
        );
        let huge = crate::foreign_issuer::signing_input(&KEY.header().to_string(), &huge);
        attacks.push(Attack::new(
            format!("{name} of 40 digits"),
            KEY.signed(&huge),
            &key_set(&[&KEY]),
            RefusalClass::Malformed,
        ));
    }
    attacks.push(attack("no exp", &without("exp"), RefusalClass::Malformed));
    for (name, value, expected) in [
        ("exp", json!(NOW - 60), RefusalClass::Expired),
        ("exp", json!(NOW - 61), RefusalClass::Expired),
        ("exp", json!(NOW_AS_FLOAT - 60.5), RefusalClass::Expired),
        ("exp", json!(0), RefusalClass::Expired),
        ("exp", json!(-1), RefusalClass::Expired),
        ("nbf", json!(NOW + 61), RefusalClass::NotYetValid),
        ("nbf", json!(NOW_AS_FLOAT + 60.5), RefusalClass::NotYetValid),
        ("nbf", json!(NOW + 86_400), RefusalClass::NotYetValid),
        ("iat", json!(NOW + 61), RefusalClass::NotYetValid),
        ("iat", json!(NOW_AS_FLOAT + 60.5), RefusalClass::NotYetValid),
        ("exp", json!(NOW + 3601), RefusalClass::Lifetime),
        ("exp", json!(NOW_AS_FLOAT + 3600.5), RefusalClass::Lifetime),
        ("exp", json!(253_402_200_000_i64), RefusalClass::Lifetime),
        // Milliseconds, as in JavaScript.
        ("exp", json!(NOW * 1000 / 10), RefusalClass::Lifetime),
        ("iat", json!(NOW - 3301), RefusalClass::Lifetime),
        ("iat", json!(0), RefusalClass::Lifetime),
        ("iat", json!(-1), RefusalClass::Lifetime),
    ] {
        attacks.push(attack(format!("{name} {value}"), &with(name, value), expected));
    }
    let mut no_iat = without("iat");
    no_iat["exp"] = json!(NOW + 3601);
    attacks.push(attack("a long life without iat", &no_iat, RefusalClass::Lifetime));
    attacks
}

fn issuers() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for wrong in [
        "https",
        "https://",
        "https://token.actions.example/",
        "https://token.actions.example//",
        "https://token.actions.exampl",
        "https://token.actions.example.evil.example",
        "https://token.actions.example@evil.example",
        "https://evil.example/https://token.actions.example",
        "https://evil.example#https://token.actions.example",
        "https://token.actions.example:443",
        "https://token.actions.example?",
        "https://token.actions.example#",
        "https://Token.actions.example",
        "HTTPS://token.actions.example",
        "http://token.actions.example",
        "token.actions.example",
        " https://token.actions.example",
        "https://token.actions.example ",
        "https://token.actions.example\0",
        "https://token.actions.example\n",
        "https://token.actions.example.",
        "https://token%2eactions.example",
        "https://user@token.actions.example",
        "https://tоken.actions.example",
        "https://token.actions.example,https://evil.example",
        "*",
        "https://*",
    ] {
        attacks.push(attack(format!("iss {wrong:?}"), &with("iss", json!(wrong)), RefusalClass::Issuer));
    }
    for wrong in other_types().into_iter().chain([
        json!(""),
        json!(1),
        json!([ISSUER]),
        json!([ISSUER, "https://evil.example"]),
        json!(["https://evil.example", ISSUER]),
        json!({"iss": ISSUER}),
    ]) {
        attacks.push(attack(format!("iss {wrong}"), &with("iss", wrong), RefusalClass::Malformed));
    }
    attacks.push(attack("no iss", &without("iss"), RefusalClass::Malformed));
    for name in ["Iss", "ISS", "iss ", "issuer"] {
        let mut claims = without("iss");
        claims[name] = json!(ISSUER);
        attacks.push(attack(format!("{name} for iss"), &claims, RefusalClass::Malformed));
    }
    attacks
}

fn audiences() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for wrong in [
        json!(""),
        json!("urn"),
        json!("urn:runmint:org:acm"),
        json!("urn:runmint:org:acme2"),
        json!("urn:runmint:org:ACME"),
        json!("urn:runmint:org:acme "),
        json!(" urn:runmint:org:acme"),
        json!("urn:runmint:org:acme\0"),
        json!("urn:runmint:org:acme/"),
        json!("urn:runmint:org:acme,urn:other"),
        json!("urn:other urn:runmint:org:acme"),
        json!("urn:runmint:org:*"),
        json!("*"),
        json!([]),
        json!([""]),
        json!(["urn:runmint:org:other"]),
        json!(["urn:runmint:org:acm", "e"]),
    ] {
        attacks.push(attack(format!("aud {wrong}"), &with("aud", wrong), RefusalClass::Audience));
    }
    for wrong in [
        json!(null),
        json!(0),
        json!(true),
        json!({}),
        json!({AUDIENCE: true}),
        json!({"0": AUDIENCE}),
        json!([null]),
        json!([[AUDIENCE]]),
        json!([AUDIENCE, 1]),
        json!([1, AUDIENCE]),
        json!([AUDIENCE, null]),
        json!([{"aud": AUDIENCE}]),
    ] {
        attacks.push(attack(format!("aud {wrong}"), &with("aud", wrong), RefusalClass::Malformed));
    }
    attacks.push(attack("no aud", &without("aud"), RefusalClass::Malformed));
    attacks
}

fn subjects() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for name in ["sub", "jti"] {
        let long = json!("x".repeat(1025));
        let wrong = other_types().into_iter().chain([json!(""), json!(1), json!(1.5), json!(["x"]), long]);
        for value in wrong {
            attacks.push(attack(format!("{name} {value:.20}"), &with(name, value), RefusalClass::Malformed));
        }
    }
    attacks.push(attack("no sub", &without("sub"), RefusalClass::Malformed));
    attacks
}

fn accepted(claims: &Value) -> VerifiedClaims {
    verify(&KEY.token(claims), &set(&key_set(&[&KEY]))).unwrap()
}

#[test]
fn the_leeway_is_exactly_sixty_seconds() {
    accepted(&with("exp", json!(NOW - 59)));
    accepted(&with("nbf", json!(NOW + 60)));
    accepted(&with("iat", json!(NOW + 60)));
    accepted(&with("exp", json!(NOW + 3600)));
    accepted(&without("nbf"));
    accepted(&without("jti"));
    let verified = accepted(&without("iat"));
    assert_eq!(verified.issued_at(), None);
}

#[test]
fn a_date_may_have_a_fraction() {
    let verified = accepted(&with("exp", json!(NOW_AS_FLOAT + 0.5)));
    assert_eq!(verified.expires_at(), at(NOW) + SignedDuration::from_millis(500));
    accepted(&with("nbf", json!(NOW_AS_FLOAT)));
    accepted(&with("iat", json!(NOW_AS_FLOAT - 0.25)));
}

#[test]
fn the_audience_must_be_one_of_the_expected_ones() {
    for aud in [json!(AUDIENCE), json!([AUDIENCE]), json!(["other", AUDIENCE]), json!([AUDIENCE, AUDIENCE])] {
        assert_eq!(accepted(&with("aud", aud)).audience(), AUDIENCE);
    }
    let pulumi = accepted(&with("aud", json!(["urn:pulumi:org:acme"])));
    assert_eq!(pulumi.audience(), "urn:pulumi:org:acme");

    let token = KEY.token(&claims());
    let max_lifetime = SignedDuration::from_hours(1);
    let expected = Expectations { issuer: ISSUER, max_lifetime, now: at(NOW) };
    let verified = UnverifiedToken::parse(&token).unwrap().verify(&set(&key_set(&[&KEY])), &expected);
    let refused = verified.unwrap().for_one_of(&[]);
    let found = vec![AUDIENCE.to_owned()];
    assert_eq!(refused.unwrap_err(), TokenError::Audience { expected: Vec::new(), found });
}

#[test]
fn copies_of_a_token_have_one_digest_whatever_the_signature() {
    let first = accepted(&claims());
    // ECDSA signatures are random, so these two tokens differ.
    let second = accepted(&claims());
    assert_eq!(first.digest(), second.digest());
    assert_ne!(first.digest(), accepted(&with("jti", json!("two"))).digest());
}
