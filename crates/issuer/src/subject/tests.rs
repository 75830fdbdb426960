use proptest::prelude::*;

use super::*;

const DEPLOY: &str =
    "{prefix}:deploy:org:{org}:project:{project}:stack:{stack}:operation:{operation}:scope:{scope}";
const ENVIRONMENT: &str = "{prefix}:environments:org:{org}:env:{project}/{environment}";

fn render(template: &str, values: &BTreeMap<String, String>) -> String {
    SubjectTemplate::parse(template).unwrap().render(|name| values.get(name).map(String::as_str)).unwrap()
}

fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn no_value_forges_a_component_or_a_wildcard() {
    let forged = values(&[
        ("prefix", "p"),
        ("org", "o"),
        ("project", "x:stack:prod"),
        ("stack", "*"),
        ("operation", "u?%2A"),
        ("scope", "é\u{0}\u{7f}"),
    ]);
    assert_eq!(
        render(DEPLOY, &forged),
        "p:deploy:org:o:project:x%3Astack%3Aprod:stack:%2A:operation:u%3F%252A:scope:%C3%A9%00%7F"
    );
    let slashes = values(&[("prefix", "p"), ("org", "o"), ("project", "a/b"), ("environment", "c")]);
    assert_eq!(render(ENVIRONMENT, &slashes), "p:environments:org:o:env:a%2Fb/c");
}

#[test]
fn a_slash_stays_where_the_template_has_none() {
    let with_slash = values(&[("a", "x/y")]);
    assert_eq!(render("s:{a}", &with_slash), "s:x/y");
}

#[test]
fn refuses_templates_that_are_ambiguous_or_broken() {
    use TemplateError::*;
    for (text, why) in [
        ("{a}{b}", Ambiguous("a".into())),
        ("{a}-{b}", Ambiguous("a".into())),
        ("{a}x", Ambiguous("a".into())),
        ("{a}:{a}", Twice("a".into())),
        ("{a", Brace),
        ("a}", Brace),
        ("{}", Name(String::new())),
        ("{A}", Name("A".into())),
        ("x*:{a}", Character('*')),
        ("x é", Character(' ')),
    ] {
        assert_eq!(SubjectTemplate::parse(text), Err(why), "{text}");
    }
}

#[test]
fn parses_back_only_the_canonical_form() {
    let template = SubjectTemplate::parse("p:{a}:q:{b}").unwrap();
    assert!(template.parse_subject("p:x:q:y").is_some());
    for foreign in ["p:x:q:y:z", "p:x:y", "p:%78:q:y", "p:%3a:q:y", "p:%ff:q:y", "p:x*:q:y", "P:x:q:y"] {
        assert_eq!(template.parse_subject(foreign), None, "{foreign}");
    }
}

/// Mostly short texts over the characters that could confuse, so that collisions would show.
fn tricky() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab:/%*?2AF3]{1,6}",
        "(:|%3A|/|%2F|stack|org|\\*|\u{0}|é|e\u{301}){1,4}",
        any::<String>().prop_filter("not empty", |text| !text.is_empty()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn rendering_parses_back(project in tricky(), stack in tricky(), operation in tricky(), scope in tricky()) {
        let given = values(&[
            ("prefix", "p"), ("org", "o"), ("project", &project),
            ("stack", &stack), ("operation", &operation), ("scope", &scope),
        ]);
        let subject = render(DEPLOY, &given);
        prop_assert!(subject.is_ascii() && !subject.contains(['*', '?']));
        let template = SubjectTemplate::parse(DEPLOY).unwrap();
        prop_assert_eq!(template.parse_subject(&subject), Some(given));
    }

    #[test]
    fn different_values_render_differently(
        a in (tricky(), tricky()), b in (tricky(), tricky()), template in prop_oneof![Just("{x}:{y}"), Just("{x}/{y}"), Just("{x}:b:{y}")],
    ) {
        prop_assume!(a != b);
        let one = render(template, &values(&[("x", &a.0), ("y", &a.1)]));
        let other = render(template, &values(&[("x", &b.0), ("y", &b.1)]));
        prop_assert_ne!(one, other);
    }
}
