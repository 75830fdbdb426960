//! A second evaluator, which knows only the JSON of the policies and nothing of the first, and what must hold
//! for both.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;

use super::super::run::RunRequest;
use super::*;
use crate::pattern::Syntax;
use crate::pattern::tests::naive;

/// Each case asks everything that [`everything`] asks.
const CASES: u32 = 1_024;

/// Paths, and where they lead.
const PATHS: &[(&str, &[&str])] = &[
    ("sub", &["sub"]),
    ("\"aud\"", &["aud"]),
    ("repository", &["repository"]),
    ("\"kubernetes.io\".pod.name", &["kubernetes.io", "pod", "name"]),
    ("kubernetes.io", &["kubernetes", "io"]),
    ("groups.name", &["groups", "name"]),
];

fn members_of(path: &str) -> &'static [&'static str] {
    PATHS.iter().find(|(text, _)| *text == path).unwrap().1
}

fn reference_verdict(policies: &[Value], claims: &Value, asked: &Asked) -> Verdict {
    let matching = |decision: &str| {
        policies.iter().position(|policy| {
            policy["decision"] == decision
                && speaks_of(policy, claims, asked)
                && all_rules_match(policy, claims)
        })
    };
    match (matching("deny"), matching("allow")) {
        (Some(policy), _) => Verdict::DeniedByPolicy { policy },
        (None, Some(policy)) => Verdict::Allowed { policy },
        (None, None) => Verdict::NoMatch,
    }
}

fn speaks_of(policy: &Value, claims: &Value, asked: &Asked) -> bool {
    let denies = policy["decision"] == "deny";
    let named = |member: &str, name: &str| looks_like(policy[member].as_str().unwrap(), name, policy);
    match (policy["tokenType"].as_str().unwrap(), asked) {
        ("organization", Asked::Organization { admin: asked }) => {
            let admin = policy["authorizedPermissions"] == json!(["admin"]);
            if denies { !admin || *asked } else { admin || !*asked }
        }
        ("team", Asked::Team { name }) => named("teamName", name),
        ("personal", Asked::Personal { name }) => named("userLogin", name),
        ("runner", Asked::Runner { name }) => named("runnerID", name),
        ("run", Asked::Run(request)) => {
            policy["run"]["service"] == request.service.as_str()
                && (denies || grants_run(&policy["run"], claims, request))
        }
        _ => false,
    }
}

fn grants_run(run: &Value, claims: &Value, asked: &RunRequest) -> bool {
    let audiences_fit = match run["audiences"].as_array() {
        None => true,
        Some(list) => {
            !asked.audiences.is_empty() && asked.audiences.iter().all(|one| list.contains(&json!(one)))
        }
    };
    let none = Map::new();
    let sources = run["attributes"].as_object().unwrap_or(&none);
    let value_of = |name: &str| -> Option<Vec<String>> {
        let source = sources.get(name)?;
        if let Some(value) = source["value"].as_str() {
            return Some(vec![value.to_owned()]);
        }
        let path = source["claim"].as_str()?;
        let found = everything_at(claims, members_of(path));
        let [only] = found.as_slice() else { return Some(Vec::new()) };
        let rest = only.strip_prefix(source["stripPrefix"].as_str().unwrap_or(""));
        Some(rest.filter(|rest| !rest.is_empty()).map(str::to_owned).into_iter().collect())
    };
    let all_have_values = sources.keys().all(|name| value_of(name) != Some(Vec::new()));
    let choices_fit = asked.attributes.iter().all(|(name, value)| match sources.get(name) {
        None => false,
        Some(source) if source["choose"] == "any" => true,
        Some(source) => match source["choose"].as_array() {
            Some(list) => list.contains(&json!(value)),
            None => value_of(name) == Some(vec![value.clone()]),
        },
    });
    audiences_fit && all_have_values && choices_fit
}

fn all_rules_match(policy: &Value, claims: &Value) -> bool {
    policy["rules"].as_object().unwrap().iter().all(|(path, pattern)| {
        let pattern = pattern.as_str().unwrap();
        everything_at(claims, members_of(path)).iter().any(|value| looks_like(pattern, value, policy))
    })
}

fn everything_at(value: &Value, path: &[&str]) -> Vec<String> {
    if let Value::Array(elements) = value {
        return elements.iter().flat_map(|element| everything_at(element, path)).collect();
    }
    match path {
        [first, rest @ ..] => value.get(first).map_or(Vec::new(), |member| everything_at(member, rest)),
        [] => match value {
            Value::String(text) => vec![text.clone()],
            Value::Number(_) | Value::Bool(_) => vec![value.to_string()],
            _ => Vec::new(),
        },
    }
}

fn looks_like(pattern: &str, text: &str, policy: &Value) -> bool {
    let syntax = if policy["syntax"] == "compatible" { Syntax::Compatible } else { Syntax::Strict };
    naive(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>(), syntax)
}

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![2 => "[ab.:*?]{0,4}", 4 => Just("*".to_owned()), 2 => Just("a*".to_owned()), 1 => "[ab]"]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[ab]", 1 => "[ab.:é\n]{0,4}"]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => text().prop_map(Value::from),
        1 => select(vec![json!(null), json!(true), json!(0), json!(1.5), json!({}), json!([])]),
        2 => vec(text().prop_map(Value::from), 0..3).prop_map(Value::from),
    ]
}

fn token() -> impl Strategy<Value = Value> {
    let optional = || proptest::option::weighted(0.8, leaf());
    (optional(), optional(), optional(), optional(), vec(leaf(), 0..3)).prop_map(
        |(sub, aud, repository, pod, groups)| {
            let mut claims = Map::new();
            for (name, value) in [("sub", sub), ("aud", aud), ("repository", repository)] {
                claims.extend(value.map(|value| (name.to_owned(), value)));
            }
            if let Some(pod) = pod {
                claims.insert("kubernetes.io".to_owned(), json!({"pod": {"name": pod.clone()}}));
                claims.insert("kubernetes".to_owned(), json!({"io": pod}));
            }
            let groups: Vec<_> = groups.into_iter().map(|name| json!({"name": name})).collect();
            claims.insert("groups".to_owned(), Value::from(groups));
            Value::from(claims)
        },
    )
}

fn rules(at_least: usize) -> impl Strategy<Value = Value> {
    let path = select(PATHS.iter().map(|(path, _)| (*path).to_owned()).collect::<Vec<_>>());
    btree_map(path, pattern(), at_least..3).prop_map(|rules| json!(rules))
}

fn source() -> impl Strategy<Value = Value> {
    prop_oneof![
        select(vec![json!({"value": "a"}), json!({"choose": "any"}), json!({"choose": ["a", "b"]})]),
        (select(vec!["sub", "repository", "groups.name"]), proptest::option::of("[ab]")).prop_map(
            |(claim, prefix)| {
                let mut source = json!({"claim": claim});
                if let Some(prefix) = prefix {
                    source["stripPrefix"] = json!(prefix);
                }
                source
            }
        ),
    ]
}

fn grant() -> impl Strategy<Value = Value> {
    let name = || prop_oneof!["[ab*?.]{1,3}", "[ab]", Just("*".to_owned())];
    prop_oneof![
        3 => select(vec![json!(null), json!([]), json!(["admin"])])
            .prop_map(|permissions| json!({"tokenType": "organization", "authorizedPermissions": permissions})),
        1 => Just(json!({"tokenType": "organization"})),
        2 => name().prop_map(|name| json!({"tokenType": "team", "teamName": name, "roleID": "r"})),
        2 => name().prop_map(|name| json!({"tokenType": "personal", "userLogin": name})),
        2 => name().prop_map(|name| json!({"tokenType": "runner", "runnerID": name})),
        3 => (
            select(vec!["deploy", "environment"]),
            btree_map(select(vec!["p".to_owned(), "q".to_owned()]), source(), 0..3),
            proptest::option::of(vec("[xy]", 1..3)),
        ).prop_map(|(service, attributes, audiences)| {
            let mut run = json!({"service": service});
            if !attributes.is_empty() {
                run["attributes"] = json!(attributes);
            }
            if let Some(audiences) = audiences {
                run["audiences"] = json!(audiences);
            }
            json!({"tokenType": "run", "run": run})
        }),
    ]
}

fn any_policy() -> impl Strategy<Value = Value> {
    (any::<bool>(), any::<bool>(), grant(), rules(0), rules(1)).prop_map(
        |(allows, compatible, grant, maybe_none, some)| {
            let mut policy = json!({"decision": if allows { "allow" } else { "deny" }});
            policy.as_object_mut().unwrap().extend(claims(grant));
            if !allows && policy["tokenType"] == "run" {
                policy["run"] = json!({"service": policy["run"]["service"]});
            }
            if compatible {
                policy["syntax"] = json!("compatible");
            }
            policy["rules"] = if allows { some } else { maybe_none };
            policy
        },
    )
}

/// A request of each kind.
fn everything() -> Vec<Asked> {
    let name = || "a".to_owned();
    let run = |audiences: &[&str], attributes: &[(&str, &str)]| {
        Asked::Run(RunRequest {
            service: "deploy".to_owned(),
            audiences: audiences.iter().map(|one| (*one).to_owned()).collect(),
            attributes: attributes
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        })
    };
    vec![
        Asked::Organization { admin: false },
        Asked::Organization { admin: true },
        Asked::Team { name: name() },
        Asked::Team { name: "ab".to_owned() },
        Asked::Personal { name: name() },
        Asked::Runner { name: name() },
        run(&[], &[]),
        run(&["x"], &[]),
        run(&["x", "y"], &[("p", "a")]),
        run(&["x"], &[("p", "a"), ("q", "c")]),
    ]
}

fn read(json: &[Value]) -> Vec<Policy> {
    json.iter().cloned().map(policy).collect()
}

fn allowed(policies: &[Value], token: &Value, asked: &Asked) -> bool {
    matches!(verdict(&read(policies), token.as_object().unwrap(), asked), Verdict::Allowed { .. })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(CASES), ..Default::default() })]

    #[test]
    fn two_evaluators_agree(policies in vec(any_policy(), 0..8), token in token()) {
        let read = read(&policies);
        for asked in everything() {
            let expected = reference_verdict(&policies, &token, &asked);
            prop_assert_eq!(verdict(&read, token.as_object().unwrap(), &asked), expected, "{:?}", asked);
        }
    }

    #[test]
    fn another_denial_allows_nothing_more(
        policies in vec(any_policy(), 0..4), mut denial in any_policy(), at in any::<prop::sample::Index>(), token in token(),
    ) {
        denial["decision"] = json!("deny");
        if denial["tokenType"] == "run" {
            denial["run"] = json!({"service": denial["run"]["service"]});
        }
        let mut more = policies.clone();
        more.insert(at.index(policies.len() + 1), denial);
        for asked in everything() {
            prop_assert!(allowed(&policies, &token, &asked) || !allowed(&more, &token, &asked), "{:?}", asked);
        }
    }

    #[test]
    fn another_rule_allows_nothing_more(policies in vec(any_policy(), 1..4), extra in rules(1), token in token()) {
        for index in 0..policies.len() {
            if policies[index]["decision"] == "deny" {
                continue;
            }
            let mut narrower = policies.clone();
            for (path, pattern) in extra.as_object().unwrap() {
                narrower[index]["rules"].as_object_mut().unwrap().entry(path.clone()).or_insert(pattern.clone());
            }
            for asked in everything() {
                prop_assert!(allowed(&policies, &token, &asked) || !allowed(&narrower, &token, &asked), "{:?}", asked);
            }
        }
    }

    /// Security: "of N names one was checked N times". Each rule of each policy is looked at by itself.
    #[test]
    fn each_rule_counts(policies in vec(any_policy(), 1..3), token in token()) {
        for index in 0..policies.len() {
            for path in policies[index]["rules"].as_object().unwrap().keys().cloned().collect::<Vec<_>>() {
                let mut mutated = policies.clone();
                mutated[index]["rules"][&path] = json!("no value looks like this");
                let asked = Asked::Organization { admin: false };
                let explained = evaluate(&read(&mutated), token.as_object().unwrap(), &asked);
                prop_assert!(!explained.explanation[index].matches);
            }
        }
    }

    #[test]
    fn the_order_decides_only_which_policy_it_was(mut policies in vec(any_policy(), 0..5), token in token()) {
        let before: Vec<_> = everything().iter().map(|asked| allowed(&policies, &token, asked)).collect();
        policies.reverse();
        let after: Vec<_> = everything().iter().map(|asked| allowed(&policies, &token, asked)).collect();
        prop_assert_eq!(before, after);
    }

    #[test]
    fn a_policy_reads_back_as_the_same(json in any_policy()) {
        let once = policy(json.clone());
        let written = serde_json::to_value(&once).unwrap();
        prop_assert_eq!(&written, &json);
        prop_assert_eq!(policy(written), once);
    }

    #[test]
    fn no_claims_make_it_panic(claims in any_json(), policies in vec(any_policy(), 0..4)) {
        let claims = claims.as_object().cloned().unwrap_or_default();
        for asked in everything() {
            verdict(&read(&policies), &claims, &asked);
        }
    }

    #[test]
    fn no_json_makes_reading_panic(json in any_json()) {
        let _ = serde_json::from_value::<Policy>(json);
    }
}

/// Two evaluators that always say no would agree.
#[test]
fn the_random_cases_are_of_every_kind() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeMap::<(&str, &str), u32>::new();
    for _ in 0..512 {
        let (policies, token) = (vec(any_policy(), 0..8), token()).new_tree(&mut runner).unwrap().current();
        for asked in everything() {
            let outcome = match reference_verdict(&policies, &token, &asked) {
                Verdict::Allowed { .. } => "allowed",
                Verdict::DeniedByPolicy { .. } => "denied",
                Verdict::NoMatch => "no match",
            };
            *seen.entry((asked.token_type(), outcome)).or_default() += 1;
        }
    }
    assert_eq!(seen.len(), 15, "{seen:?}");
    assert!(seen.values().all(|count| *count >= 10), "{seen:?}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let name = prop_oneof![
        select(vec![
            "sub",
            "aud",
            "repository",
            "kubernetes.io",
            "pod",
            "name",
            "groups",
            "rules",
            "decision",
            "tokenType"
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(name.clone(), inner, 0..6).prop_map(|members| json!(members)),
        ]
    })
}
