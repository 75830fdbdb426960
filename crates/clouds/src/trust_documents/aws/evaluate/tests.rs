use serde_json::json;

use super::*;

#[expect(clippy::needless_pass_by_value, reason = "a value is made with json! for the one call")]
fn holds(conditions: Value, claims: Value) -> Holds {
    let policy = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/id.example.com/oidc"},
        "Action": "sts:AssumeRoleWithWebIdentity", "Condition": conditions,
    }});
    let Value::Object(claims) = claims else { panic!() };
    let mut token = TokenClaims::new(claims);
    if token.issuer().is_none() {
        token = token.with("iss", "https://id.example.com/oidc");
    }
    TrustPolicy::parse(&policy).unwrap().evaluate(&token).accepts
}

#[test]
fn operators_hold_as_iam_documents_them() {
    use Holds::{No, Unknown, Yes};
    let key = |name: &str| format!("id.example.com/oidc:{name}");
    let one = |operator: &str, name: &str, value: Value| json!({operator: {key(name): value}});
    let token = json!({"aud": "a", "sub": "org:acme:stack:prod"});
    let without = json!({"aud": "a"});
    for (conditions, claims, expected) in [
        (one("StringEquals", "sub", json!("org:acme:stack:prod")), &token, Yes),
        (one("StringEquals", "sub", json!("org:acme:stack:*")), &token, No),
        (one("StringEquals", "sub", json!("ORG:acme:stack:prod")), &token, No),
        (one("StringEqualsIgnoreCase", "sub", json!("ORG:acme:stack:prod")), &token, Yes),
        (one("StringEqualsIgnoreCase", "sub", json!("ORG:${$}acme")), &json!({"sub": "org:$acme"}), Yes),
        (one("StringEqualsIgnoreCase", "sub", json!("ORG:${$}acme")), &json!({"sub": "org:${$}acme"}), No),
        (one("StringEquals", "sub", json!(["x", "org:acme:stack:prod"])), &token, Yes),
        (one("StringEquals", "SUB", json!("org:acme:stack:prod")), &token, Yes),
        (one("StringLike", "sub", json!("org:acme:*")), &token, Yes),
        (one("StringLike", "sub", json!("org:acme:stack:pro?")), &token, Yes),
        (one("StringLike", "sub", json!("org:acme")), &token, No),
        (one("StringLike", "sub", json!("org:acme:${aws:username}")), &token, Unknown),
        (one("StringNotEquals", "sub", json!("x")), &token, Yes),
        (one("StringNotEquals", "sub", json!(["x", "org:acme:stack:prod"])), &token, No),
        (one("StringNotLike", "sub", json!("org:*")), &token, No),
        // A missing key.
        (one("StringEquals", "sub", json!("x")), &without, No),
        (one("StringEqualsIfExists", "sub", json!("x")), &without, Yes),
        (one("StringEqualsIfExists", "sub", json!("x")), &token, No),
        (one("StringNotEquals", "sub", json!("x")), &without, Yes),
        (one("ForAllValues:StringEquals", "sub", json!("x")), &without, Yes),
        (one("ForAllValues:StringEquals", "sub", json!("x")), &token, No),
        (one("ForAnyValue:StringEquals", "sub", json!("x")), &without, No),
        (one("ForAnyValue:StringNotEquals", "sub", json!("x")), &without, No),
        (one("ForAnyValue:StringLike", "aud", json!(["b", "a"])), &token, Yes),
        (one("Null", "sub", json!("true")), &without, Yes),
        (one("Null", "sub", json!(false)), &token, Yes),
        (one("Null", "sub", json!("true")), &token, No),
        // Claims that AWS does not read, and keys of other providers.
        (one("StringEquals", "project", json!("website")), &json!({"sub": "x", "project": "website"}), No),
        (json!({"StringEquals": {"id.example.com:sub": "org:acme:stack:prod"}}), &token, No),
        (json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}), &token, Unknown),
        (json!({"StringEquals": {"sts:RoleSessionName": "x"}}), &token, Unknown),
        (json!({}), &json!({"iss": "https://id.example.com", "sub": "x"}), No),
        (json!({}), &json!({"aud": ["a", "b"]}), No),
        (one("StringEquals", "aud", json!("c")), &json!({"aud": ["a", "b"], "azp": "c"}), Yes),
    ] {
        assert_eq!(holds(conditions.clone(), claims.clone()), expected, "{conditions} {claims}");
    }
}

#[test]
fn tags_and_source_identities_need_actions_of_their_own() {
    let tagged =
        json!({"sub": "x", "https://aws.amazon.com/tags": {"principal_tags": {"Project": ["website"]}}});
    let flat = json!({"sub": "x", "https://aws.amazon.com/tags/principal_tags/Project": "website"});
    let policy = |actions: Value, condition: Value| {
        json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": actions, "Condition": condition,
        "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/i"}}]})
    };
    let accepts = |policy: &Value, claims: &Value| {
        let token = TokenClaims::new(claims.as_object().unwrap().clone()).with("iss", "https://i");
        TrustPolicy::parse(policy).unwrap().evaluate(&token).accepts
    };
    let only = policy(json!(ASSUME), json!({}));
    assert_eq!(accepts(&only, &json!({"sub": "x"})), Holds::Yes);
    assert_eq!(accepts(&only, &tagged), Holds::No);
    let both =
        policy(json!([ASSUME, "sts:tag*"]), json!({"StringEquals": {"aws:RequestTag/project": "website"}}));
    assert_eq!(accepts(&both, &tagged), Holds::Yes);
    assert_eq!(accepts(&both, &flat), Holds::Yes);
    assert_eq!(accepts(&both, &json!({"sub": "x"})), Holds::No);
}

#[test]
fn a_deny_overrides_every_allow() {
    let statement = |effect: &str, condition: Value| json!({"Effect": effect, "Action": "*", "Principal": "*", "Condition": condition});
    let policy = json!({"Version": "2012-10-17", "Statement": [
        statement("Allow", json!({})), statement("Deny", json!({"StringLike": {"i:sub": "*:stack:prod"}}))]});
    let policy = TrustPolicy::parse(&policy).unwrap();
    let accepts = |sub: &str| {
        let claims = json!({"iss": "https://i", "sub": sub}).as_object().unwrap().clone();
        policy.evaluate(&TokenClaims::new(claims)).accepts
    };
    assert_eq!(accepts("a:stack:prod"), Holds::No);
    assert_eq!(accepts("a:stack:staging"), Holds::Yes);
}

#[test]
fn any_principal_has_two_spellings() {
    let token = TokenClaims::new(json!({"iss": "https://i", "sub": "a"}).as_object().unwrap().clone());
    let statement =
        |effect: &str, principal: &Value| json!({"Effect": effect, "Action": "*", "Principal": principal});
    for everybody in [json!("*"), json!({"AWS": "*"}), json!({"AWS": ["111122223333", "*"]})] {
        let accepts = |statements: Value| {
            TrustPolicy::parse(&json!({"Statement": statements})).unwrap().evaluate(&token).accepts
        };
        assert_eq!(accepts(json!([statement("Allow", &everybody)])), Holds::Yes, "{everybody}");
        let provider = json!({"Federated": "arn:aws:iam::111122223333:oidc-provider/i"});
        let denied = json!([statement("Allow", &provider), statement("Deny", &everybody)]);
        assert_eq!(accepts(denied), Holds::No, "{everybody}");
        let accounts =
            json!([statement("Allow", &provider), statement("Deny", &json!({"AWS": "111122223333"}))]);
        assert_eq!(accepts(accounts), Holds::Yes);
    }
}

#[test]
fn actions_have_both_wildcards() {
    let token = TokenClaims::new(json!({"iss": "https://i", "sub": "a"}).as_object().unwrap().clone());
    for (action, expected) in [
        ("sts:AssumeRoleWithWebIdentit?", Holds::Yes),
        ("STS:Assume*?ebIdentity", Holds::Yes),
        ("sts:AssumeRoleWithWebIdentity?", Holds::No),
    ] {
        let policy = json!({"Statement": {"Effect": "Allow", "Action": action, "Principal": "*"}});
        assert_eq!(TrustPolicy::parse(&policy).unwrap().evaluate(&token).accepts, expected, "{action}");
    }
}

#[test]
fn unsupported_elements_are_refused_and_never_count_as_false() {
    for (member, value) in [
        ("NotAction", json!("x")),
        ("NotPrincipal", json!("*")),
        ("Condition", json!({"Quantum": {"a": "b"}})),
    ] {
        let mut statement = json!({"Effect": "Allow", "Action": "*", "Principal": "*"});
        statement[member] = value;
        assert!(TrustPolicy::parse(&json!({"Statement": statement})).is_err(), "{member}");
    }
}
