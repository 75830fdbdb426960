use serde_json::json;

use super::*;

const DIALECT: Dialect = Dialect {
    variables: &["assertion"],
    functions: &["startsWith", "endsWith", "contains", "matches", "size", "extract", "split", "has"],
    max_chars: 4_096,
};

fn outcome(text: &str) -> Outcome {
    let claims =
        json!({"sub": "org:acme:project:web:stack:prod", "n": 3, "list": ["a", "b"], "deep": {"x": "y"}});
    Expression::parse(text, DIALECT).unwrap().evaluate(&BTreeMap::from([("assertion", claims)]))
}

#[test]
fn expressions_have_the_values_that_the_language_defines() {
    for (text, expected) in [
        ("assertion.sub == 'org:acme:project:web:stack:prod'", json!(true)),
        ("assertion['sub'].startsWith('org:acme:') && assertion.n == 3", json!(true)),
        ("assertion.sub.endsWith('prod') && !assertion.sub.contains('evil')", json!(true)),
        (r"assertion.sub.matches('^org:acme:project:[^:]+:stack:prod$')", json!(true)),
        (r"assertion.sub.matches('acme')", json!(true)),
        (r"assertion.sub.matches('^acme')", json!(false)),
        ("assertion.sub in ['a', 'b']", json!(false)),
        ("has(assertion.nope)", json!(false)),
        ("has(assertion.deep.x) ? assertion.deep.x : 'none'", json!("y")),
        ("assertion.list.exists(x, x == 'b') && !assertion.list.all(one, one == 'b')", json!(true)),
        ("assertion.sub.extract('project:{x}:stack')", json!("web")),
        ("assertion.sub.extract('stack:{x}')", json!("prod")),
        ("assertion.sub.extract('nope:{x}:')", json!("")),
        ("assertion.sub.split(':')[1]", json!("acme")),
        ("size(assertion.list) == 2", json!(true)),
        // An error does not matter if the other operand decides.
        ("assertion.nope == 'x' || assertion.n == 3", json!(true)),
        ("assertion.n != 3 && assertion.nope == 'x'", json!(false)),
    ] {
        assert_eq!(outcome(text), Outcome::Is(expected), "{text}");
    }
    assert_eq!(outcome("assertion.nope == 'x'"), Outcome::Missing("nope".into()));
    assert!(matches!(outcome("assertion.n.startsWith('x')"), Outcome::Fails(_)));
    assert!(matches!(outcome("assertion.sub.extract('x')"), Outcome::Fails(_)));
}

#[test]
fn an_ambiguous_pattern_is_unknown_unless_it_does_not_matter() {
    let unread = r"assertion.sub.matches('^\\Qorg\\E')";
    assert!(matches!(outcome(unread), Outcome::Unknown(_)));
    assert!(matches!(outcome(&format!("!{unread}")), Outcome::Unknown(_)));
    assert!(matches!(outcome(&format!("{unread} && assertion.n == 3")), Outcome::Unknown(_)));
    assert_eq!(outcome(&format!("{unread} && assertion.n == 4")), Outcome::Is(json!(false)));
    assert_eq!(outcome(&format!("{unread} || assertion.n == 3")), Outcome::Is(json!(true)));
    assert!(matches!(outcome("matches(assertion.sub, 'a{,2}')"), Outcome::Unknown(_)));
    assert_eq!(outcome("matches(assertion.sub, '^org:')"), Outcome::Is(json!(true)));
    assert!(matches!(outcome(&format!("size('{}'.split(',')) > 1", ",".repeat(300))), Outcome::Unknown(_)));
}

#[test]
fn unsupported_parts_are_refused_even_if_they_are_not_reached() {
    for (text, what) in [
        ("true || assertion.sub.replace('a', 'b') == 'x'", "replace"),
        ("false && other.sub == 'x'", "other"),
        ("timestamp('2026-01-01T00:00:00Z') < now()", "timestamp"),
    ] {
        match Expression::parse(text, DIALECT) {
            Err(ExpressionError::Unsupported(_, name)) => {
                assert!(name == what || name == "now", "{name}");
            }
            other => panic!("{text}: {:?}", other.err()),
        }
    }
    for broken in ["", "assertion.", "a ==", "'", "assertion.sub == 'x' assertion", "\u{0}"] {
        assert!(Expression::parse(broken, DIALECT).is_err(), "{broken}");
    }
}

#[test]
fn expressions_that_exhaust_resources_are_refused() {
    for (text, n) in [("(", 3_000), ("[", 3_000), ("!", 3_000), ("-", 3_000), ("true?", 500), ("a.b(", 1_000)]
    {
        assert!(Expression::parse(&text.repeat(n), DIALECT).is_err(), "{text}");
    }
    assert!(Expression::parse(&format!("'{}'", "a".repeat(4_095)), DIALECT).is_err());
    assert!(Expression::parse(&vec!["assertion.n == 3"; 190].join(" && "), DIALECT).is_ok());
    let list = |length: usize| format!("[{}]", vec!["1"; length].join(","));
    let nested = |times: usize, dot: &str| {
        (0..times).fold("true".to_owned(), |inner, _| format!("[1, 2, 3]{dot}all(x, {inner})"))
    };
    for dot in [".", ". ", " .\n"] {
        assert!(Expression::parse(&nested(2, dot), DIALECT).is_ok(), "{dot:?}");
        assert!(Expression::parse(&nested(3, dot), DIALECT).is_err(), "{dot:?}");
        let beside = vec![nested(1, dot); 5].join(" && ");
        assert!(Expression::parse(&beside, DIALECT).is_err(), "{dot:?}");
    }
    assert!(Expression::parse(&format!("{}.all(x, x == 1)", list(101)), DIALECT).is_err());
    assert!(Expression::parse(&format!("assertion.n in {}", list(450)), DIALECT).is_ok());
    let four = (0..4).fold("true".to_owned(), |inner, _| format!("{}. all(x, {inner})", list(450)));
    assert!(Expression::parse(&four, DIALECT).is_err());
}
