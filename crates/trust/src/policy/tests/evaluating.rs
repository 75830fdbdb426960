use serde_json::json;

use super::super::run::RunRequest;
use super::*;

const ORGANIZATION: Asked = Asked::Organization { admin: false };
const ADMIN: Asked = Asked::Organization { admin: true };

fn github() -> Map<String, Value> {
    claims(json!({
        "sub": "repo:acme/website:ref:refs/heads/main",
        "aud": ["https://other", "urn:runmint:org:acme"],
        "repository": "acme/website",
        "run_attempt": 1,
    }))
}

fn allow(rules: Value) -> Value {
    json!({"decision": "allow", "tokenType": "organization", "rules": rules})
}

fn deny(rules: Value) -> Value {
    json!({"decision": "deny", "tokenType": "organization", "rules": rules})
}

#[test]
fn nothing_matching_is_a_no() {
    assert_eq!(verdict(&[], &github(), &ORGANIZATION), Verdict::NoMatch);
    let other = policies([allow(json!({"sub": "repo:acme/other:*"}))]);
    assert_eq!(verdict(&other, &github(), &ORGANIZATION), Verdict::NoMatch);
}

#[test]
fn deny_beats_allow_in_any_order() {
    let (yes, no) = (allow(json!({"sub": "repo:acme/website:*"})), deny(json!({"repository": "acme/web*"})));
    assert_eq!(verdict(&policies([yes.clone()]), &github(), &ORGANIZATION), Verdict::Allowed { policy: 0 });
    assert_eq!(
        verdict(&policies([yes.clone(), no.clone()]), &github(), &ORGANIZATION),
        Verdict::DeniedByPolicy { policy: 1 }
    );
    assert_eq!(
        verdict(&policies([no, yes.clone(), yes]), &github(), &ORGANIZATION),
        Verdict::DeniedByPolicy { policy: 0 }
    );
}

#[test]
fn every_rule_must_match_and_any_element_of_an_array_does() {
    let both = |aud: &str| policies([allow(json!({"sub": "repo:acme/*", "aud": aud, "run_attempt": "1"}))]);
    assert_eq!(
        verdict(&both("urn:runmint:org:acme"), &github(), &ORGANIZATION),
        Verdict::Allowed { policy: 0 }
    );
    assert_eq!(verdict(&both("https://other"), &github(), &ORGANIZATION), Verdict::Allowed { policy: 0 });
    assert_eq!(verdict(&both("urn:runmint:org:acme2"), &github(), &ORGANIZATION), Verdict::NoMatch);
    let absent = policies([allow(json!({"sub": "repo:acme/*", "environment": "*"}))]);
    assert_eq!(
        verdict(&absent, &github(), &ORGANIZATION),
        Verdict::NoMatch,
        "what is absent matches nothing"
    );
}

#[test]
fn admin_is_granted_only_where_it_says_so_and_denied_wherever_the_rest_is() {
    let rules = json!({"sub": "repo:acme/*"});
    let mut admin = allow(rules.clone());
    admin["authorizedPermissions"] = json!(["admin"]);
    let mut no_admin = deny(rules.clone());
    no_admin["authorizedPermissions"] = json!(["admin"]);
    let asked = |json: Vec<Value>, asked: &Asked| {
        verdict(&json.into_iter().map(policy).collect::<Vec<_>>(), &github(), asked)
    };
    assert_eq!(asked(vec![allow(rules.clone())], &ADMIN), Verdict::NoMatch);
    assert_eq!(asked(vec![admin.clone()], &ADMIN), Verdict::Allowed { policy: 0 });
    assert_eq!(asked(vec![admin.clone()], &ORGANIZATION), Verdict::Allowed { policy: 0 });
    assert_eq!(asked(vec![admin.clone(), no_admin.clone()], &ORGANIZATION), Verdict::Allowed { policy: 0 });
    assert_eq!(asked(vec![admin.clone(), no_admin], &ADMIN), Verdict::DeniedByPolicy { policy: 1 });
    assert_eq!(asked(vec![admin, deny(rules)], &ADMIN), Verdict::DeniedByPolicy { policy: 1 });
}

#[test]
fn a_policy_speaks_of_its_own_kind_of_token_and_name_only() {
    let rules = json!({"sub": "*main"});
    let of = |kind: &str, member: &str, name: &str| {
        policies([json!({"decision": "allow", "tokenType": kind, member: name, "rules": rules})])
    };
    let team = |name: &str| Asked::Team { name: name.to_owned() };
    let user = |name: &str| Asked::Personal { name: name.to_owned() };
    let runner = |name: &str| Asked::Runner { name: name.to_owned() };
    let (yes, no) = (Verdict::Allowed { policy: 0 }, Verdict::NoMatch);
    for (policies, asked, expected) in [
        (of("team", "teamName", "ops-*"), team("ops-eu"), yes),
        (of("team", "teamName", "ops-*"), team("ops"), no),
        (of("team", "teamName", "ops-*"), team("Ops-eu"), no),
        (of("team", "teamName", "ops-*"), user("ops-eu"), no),
        (of("team", "teamName", "ops-*"), ORGANIZATION, no),
        (of("personal", "userLogin", "ada"), user("ada"), yes),
        (of("personal", "userLogin", "a.a"), user("ada"), no),
        (of("personal", "userLogin", "ada"), runner("ada"), no),
        (of("runner", "runnerID", "pool-?"), runner("pool-1"), yes),
        (of("runner", "runnerID", "pool-?"), team("pool-1"), no),
        (policies([allow(rules.clone())]), team("ops"), no),
    ] {
        assert_eq!(verdict(&policies, &github(), &asked), expected, "{asked:?}");
    }
}

fn deploy(audiences: Option<Value>) -> Value {
    let mut policy = json!({"decision": "allow", "tokenType": "run", "run": {
        "service": "deploy",
        "attributes": {
            "project": {"claim": "repository", "stripPrefix": "acme/"},
            "operation": {"value": "update"},
            "deployment": {"choose": ["blue", "green"]},
            "note": {"choose": "any"},
        },
    }, "rules": {"sub": "repo:acme/*"}});
    if let Some(audiences) = audiences {
        policy["run"]["audiences"] = audiences;
    }
    policy
}

fn run(attributes: &[(&str, &str)], audiences: &[&str]) -> RunRequest {
    RunRequest {
        service: "deploy".to_owned(),
        audiences: audiences.iter().map(|one| (*one).to_owned()).collect(),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

#[test]
fn a_run_gets_its_attributes_from_claims_the_policy_and_the_caller() {
    let policy = policy(deploy(None));
    let Grant::Run(grant) = policy.grant() else { panic!("a run") };
    let asked = run(&[("note", "x"), ("deployment", "blue"), ("operation", "update")], &["anything"]);
    let attributes = grant.attributes_of(&asked, &github()).unwrap();
    let expected = [("deployment", "blue"), ("note", "x"), ("operation", "update"), ("project", "website")];
    assert_eq!(
        attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(),
        expected
    );
    let least = grant.attributes_of(&run(&[], &[]), &github()).unwrap();
    assert_eq!(least.keys().collect::<Vec<_>>(), ["operation", "project"]);
}

#[test]
fn a_run_that_the_policy_does_not_describe_is_not_granted() {
    let why = |policy: &Value, asked: RunRequest, claims: &Map<String, Value>| {
        let evaluation = evaluate(&policies([policy.clone()]), claims, &Asked::Run(asked));
        assert_eq!(evaluation.decision, Verdict::NoMatch);
        evaluation.explanation[0].why_not_applicable.clone().unwrap()
    };
    let open = deploy(None);
    let limited = deploy(Some(json!(["sts.amazonaws.com"])));
    let with = |repository: Value| {
        let mut claims = github();
        claims.insert("repository".to_owned(), repository);
        claims
    };
    let mut without = github();
    without.remove("repository");
    let other = RunRequest { service: "environment".to_owned(), ..RunRequest::default() };
    for (expected, found) in [
        ("runs of `deploy`; the request is for `environment`", why(&open, other, &github())),
        ("choose attribute `project`", why(&open, run(&[("project", "other")], &[]), &github())),
        ("choose attribute `stack`", why(&open, run(&[("stack", "prod")], &[]), &github())),
        ("choose attribute `operation`", why(&open, run(&[("operation", "destroy")], &[]), &github())),
        ("must be one of blue, green, not `red`", why(&open, run(&[("deployment", "red")], &[]), &github())),
        ("the audience `x`", why(&limited, run(&[], &["sts.amazonaws.com", "x"]), &github())),
        ("the request names none", why(&limited, run(&[], &[]), &github())),
        ("has 0 values", why(&open, run(&[], &[]), &without)),
        ("has 2 values", why(&open, run(&[], &[]), &with(json!(["acme/a", "acme/b"])))),
        ("does not continue after `acme/`", why(&open, run(&[], &[]), &with(json!("evil/acme/a")))),
        ("does not continue after `acme/`", why(&open, run(&[], &[]), &with(json!("acme/")))),
        ("which is empty", why(&open, run(&[], &[]), &with(json!("")))),
    ] {
        assert!(found.contains(expected), "{found} has no {expected}");
    }
    let asked = Asked::Run(run(&[], &["sts.amazonaws.com"]));
    assert_eq!(verdict(&policies([limited]), &github(), &asked), Verdict::Allowed { policy: 0 });
}

#[test]
fn a_denied_run_is_denied_however_it_was_to_look() {
    let no = json!({"decision": "deny", "tokenType": "run", "run": {"service": "deploy"}, "rules": {"repository": "acme/*"}});
    let both = policies([deploy(None), no]);
    let asked = Asked::Run(run(&[("note", "x")], &[]));
    assert_eq!(verdict(&both, &github(), &asked), Verdict::DeniedByPolicy { policy: 1 });
}

#[test]
fn the_next_policy_may_grant_what_the_first_does_not() {
    let (limited, open) = (deploy(Some(json!(["x"]))), deploy(None));
    let asked = Asked::Run(run(&[], &["y"]));
    assert_eq!(verdict(&policies([limited, open]), &github(), &asked), Verdict::Allowed { policy: 1 });
}

#[test]
fn the_explanation_says_what_was_asked_and_what_was_found() {
    let mut claims = github();
    claims.insert("groups".to_owned(), json!(["é".repeat(200), "b", "c", "d", "e", "f", "g", "h", "i", "j"]));
    let all = policies([
        allow(json!({"sub": "repo:acme/other:*", "aud": "*acme", "groups": "j", "no.such": "x"})),
        json!({"decision": "deny", "tokenType": "team", "teamName": "ops", "rules": {"repository": "acme/website"}}),
    ]);
    let evaluation = evaluate(&all, &claims, &ORGANIZATION);
    let shown = format!("{}…", "é".repeat(128));
    assert_eq!(
        serde_json::to_value(&evaluation).unwrap(),
        json!({"decision": {"outcome": "no_match"}, "explanation": [
            {"policy": 0, "decision": "allow", "matches": false, "rules": [
                {"claim": "sub", "pattern": "repo:acme/other:*", "found": ["repo:acme/website:ref:refs/heads/main"], "matched": false},
                {"claim": "aud", "pattern": "*acme", "found": ["https://other", "urn:runmint:org:acme"], "matched": true},
                {"claim": "groups", "pattern": "j", "found": [shown, "b", "c", "d", "e", "f", "g", "h"], "not_shown": 2, "matched": true},
                {"claim": "no.such", "pattern": "x", "found": [], "matched": false},
            ]},
            {"policy": 1, "decision": "deny", "matches": false,
             "why_not_applicable": "it is for tokens of type `team`; the request is for `organization`", "rules": [
                {"claim": "repository", "pattern": "acme/website", "found": ["acme/website"], "matched": true},
            ]},
        ]})
    );
}
