//! What a well-signed token says.

use super::*;

#[test]
fn a_time_is_a_number_or_the_token_is_refused() {
    for name in ["exp", "iat", "nbf"] {
        for wrong in [
            Value::Null,
            json!(""),
            json!((NOW + 60).to_string()),
            json!("never"),
            json!(1e300),
            json!(true),
            json!(false),
            json!([NOW]),
            json!({}),
            json!(u64::MAX),
            json!(i64::MAX),
            json!(i64::MIN),
        ] {
            let refusal = refusal_of(&with(name, wrong.clone()));
            assert!(
                matches!(refusal, TokenError::Claim { name: found, .. } if found == name),
                "{wrong}: {refusal}"
            );
        }
    }
    // A number that no machine word holds.
    let huge = claims().to_string().replace(&(NOW + 3600).to_string(), &"9".repeat(400));
    assert!(verify(&signed(HEADER, &huge)).is_err());
    assert_eq!(refusal_of(&without("exp")), TokenError::MissingClaim("exp"));
    for name in ["nbf", "iat"] {
        verify(&signed(HEADER, &without(name).to_string())).unwrap();
    }
    assert_eq!(refusal_of(&with("exp", json!(-1))), TokenError::Expired(Timestamp::from_second(-1).unwrap()));
    verify(&signed(HEADER, &with("nbf", json!(-1)).to_string())).unwrap();
    assert!(matches!(refusal_of(&with("iat", json!(-1))), TokenError::Lifetime { .. }));
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
    ] {
        let refusal = refusal_of(&with("iss", wrong.clone()));
        assert!(matches!(refusal, TokenError::Issuer { .. }), "{wrong}: {refusal}");
    }
    for wrong in [
        Value::Null,
        json!(""),
        json!([ISSUER]),
        json!([ISSUER, "https://evil.example"]),
        json!({"iss": ISSUER}),
        json!(1),
        json!(true),
    ] {
        let refusal = refusal_of(&with("iss", wrong.clone()));
        assert!(matches!(refusal, TokenError::Claim { name: "iss", .. }), "{wrong}: {refusal}");
    }
    assert_eq!(refusal_of(&without("iss")), TokenError::MissingClaim("iss"));
}

#[test]
fn the_audience_is_this_one_and_no_other() {
    let for_acme = |aud: Value| verify(&signed(HEADER, &with("aud", aud).to_string()))?.only_for("acme");
    for_acme(json!("acme")).unwrap();
    for_acme(json!(["acme"])).unwrap();
    for wrong in [
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
    ] {
        let refusal = for_acme(wrong.clone()).unwrap_err();
        assert!(matches!(refusal, TokenError::Audience { .. }), "{wrong}: {refusal}");
    }
    for wrong in
        [Value::Null, json!([["acme"]]), json!(["acme", 1]), json!(1), json!(true), json!({"acme": true})]
    {
        let refusal = for_acme(wrong.clone()).unwrap_err();
        assert!(matches!(refusal, TokenError::Claim { name: "aud", .. }), "{wrong}: {refusal}");
    }
    assert_eq!(refusal_of(&without("aud")), TokenError::MissingClaim("aud"));
}
