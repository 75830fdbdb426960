use serde_json::json;

use super::*;
use crate::pattern::Syntax;

fn fault(json: Value) -> String {
    serde_json::from_value::<Policy>(json).unwrap_err().to_string()
}

#[test]
fn reads_back_as_it_was_written() {
    let rules = json!({"sub": "repo:acme/*", "\"kubernetes.io\".pod.name": "runner-?"});
    for written in [
        json!({"decision": "allow", "tokenType": "organization", "authorizedPermissions": ["admin"], "rules": rules}),
        json!({"decision": "allow", "tokenType": "organization", "authorizedPermissions": [], "rules": rules}),
        json!({"decision": "deny", "tokenType": "organization", "authorizedPermissions": null, "rules": {}}),
        json!({"decision": "deny", "tokenType": "organization", "rules": {"sub": ""}}),
        json!({"decision": "allow", "tokenType": "organization", "roleID": "r-1", "rules": rules}),
        json!({"decision": "allow", "tokenType": "team", "teamName": "ops-*", "authorizedPermissions": null, "rules": rules}),
        json!({"decision": "allow", "tokenType": "personal", "userLogin": "ada", "rules": rules}),
        json!({"decision": "allow", "tokenType": "runner", "runnerID": "pool", "syntax": "compatible", "rules": rules}),
        json!({"decision": "deny", "tokenType": "run", "run": {"service": "deploy"}, "rules": rules}),
        json!({"decision": "allow", "tokenType": "run", "run": {
            "service": "deploy",
            "attributes": {
                "project": {"claim": "repository", "stripPrefix": "acme/"},
                "stack": {"claim": "\"kubernetes.io\".namespace"},
                "operation": {"value": "update"},
                "deployment": {"choose": ["a", "b"]},
                "note": {"choose": "any"},
            },
            "audiences": ["sts.amazonaws.com"],
        }, "rules": rules}),
    ] {
        let read = serde_json::to_value(policy(written.clone())).unwrap();
        assert_eq!(read, written);
        // As text: the order counts too.
        assert_eq!(read["rules"].to_string(), written["rules"].to_string());
        assert_eq!(read["run"].to_string(), written.get("run").unwrap_or(&Value::Null).to_string());
    }
}

#[test]
fn strict_is_the_default_and_need_not_be_said() {
    let said = json!({"decision": "deny", "tokenType": "organization", "syntax": "strict", "rules": {}});
    let read = policy(said);
    assert_eq!(read.syntax(), Syntax::Strict);
    assert_eq!(
        serde_json::to_value(&read).unwrap(),
        json!({"decision": "deny", "tokenType": "organization", "rules": {}})
    );
}

#[test]
fn null_is_as_good_as_absent() {
    let read = policy(json!({
        "decision": "allow", "tokenType": "team", "teamName": "ops", "userLogin": null, "runnerID": null,
        "roleID": null, "authorizedPermissions": null, "run": null, "rules": {"sub": "a"},
    }));
    assert_eq!(read.grant().name().unwrap().as_str(), "ops");
}

#[test]
#[expect(clippy::too_many_lines, reason = "one line for each combination")]
fn refuses_combinations_that_make_no_sense() {
    let rules = json!({"sub": "a"});
    for (member, json) in [
        ("`teamName` is missing", json!({"decision": "allow", "tokenType": "team", "rules": rules})),
        ("`userLogin` is missing", json!({"decision": "allow", "tokenType": "personal", "rules": rules})),
        ("`runnerID` is missing", json!({"decision": "allow", "tokenType": "runner", "rules": rules})),
        ("`run` is missing", json!({"decision": "allow", "tokenType": "run", "rules": rules})),
        (
            "`teamName` does not belong to tokenType `organization`",
            json!({"decision": "allow", "tokenType": "organization", "teamName": "x", "rules": rules}),
        ),
        (
            "`userLogin` does not belong to tokenType `team`",
            json!({"decision": "allow", "tokenType": "team", "teamName": "x", "userLogin": "y", "rules": rules}),
        ),
        (
            "`run` does not belong to tokenType `organization`",
            json!({"decision": "allow", "tokenType": "organization", "run": {"service": "deploy"}, "rules": rules}),
        ),
        (
            "`roleID` does not belong to tokenType `run`",
            json!({"decision": "allow", "tokenType": "run", "roleID": "r", "run": {"service": "deploy"}, "rules": rules}),
        ),
        (
            "the only permission is `admin`, and only for tokenType `organization`; found `team`",
            json!({"decision": "allow", "tokenType": "team", "teamName": "x", "authorizedPermissions": ["admin"], "rules": rules}),
        ),
        (
            "found `admin, admin`",
            json!({"decision": "allow", "tokenType": "organization", "authorizedPermissions": ["admin", "admin"], "rules": rules}),
        ),
        (
            "found `stack:write`",
            json!({"decision": "allow", "tokenType": "organization", "authorizedPermissions": ["stack:write"], "rules": rules}),
        ),
        (
            "`teamName` is empty",
            json!({"decision": "allow", "tokenType": "team", "teamName": "", "rules": rules}),
        ),
        (
            "`teamName` has 101 bytes",
            json!({"decision": "allow", "tokenType": "team", "teamName": "x".repeat(101), "rules": rules}),
        ),
        ("without rules", json!({"decision": "allow", "tokenType": "organization", "rules": {}})),
        ("missing field `rules`", json!({"decision": "deny", "tokenType": "organization"})),
        ("unknown variant `org`", json!({"decision": "deny", "tokenType": "org", "rules": {}})),
        (
            "unknown field `Rules`",
            json!({"decision": "deny", "tokenType": "organization", "Rules": {}, "rules": {}}),
        ),
        (
            "two rules are for the claim `\"sub\"`",
            json!({"decision": "deny", "tokenType": "organization", "rules": {"sub": "a", "\"sub\"": "b"}}),
        ),
        (
            "claim path `a.`: a member's name is missing at byte 2",
            json!({"decision": "deny", "tokenType": "organization", "rules": {"a.": "a"}}),
        ),
        (
            "rule for `sub`: a pattern has at most 512 bytes, this one has 513",
            json!({"decision": "deny", "tokenType": "organization", "rules": {"sub": "a".repeat(513)}}),
        ),
    ] {
        let fault = fault(json);
        assert!(fault.contains(member), "{fault} has no {member}");
    }
}

#[test]
fn refuses_what_is_said_twice() {
    for text in [
        r#"{"decision":"deny","tokenType":"organization","rules":{"sub":"a","sub":"b"}}"#,
        r#"{"decision":"deny","decision":"allow","tokenType":"organization","rules":{"sub":"a"}}"#,
        r#"{"decision":"allow","tokenType":"run","run":{"service":"deploy","attributes":{"a":{"value":"x"},"a":{"choose":"any"}}},"rules":{"sub":"a"}}"#,
    ] {
        assert!(serde_json::from_str::<Policy>(text).is_err(), "{text}");
    }
}

#[test]
fn refuses_runs_that_make_no_sense() {
    let run = |decision: &str, run: Value| {
        fault(json!({"decision": decision, "tokenType": "run", "run": run, "rules": {"sub": "a"}}))
    };
    let attribute = |json: Value| run("allow", json!({"service": "deploy", "attributes": {"a": json}}));
    for (expected, found) in [
        ("`Deploy` is not a valid name", run("allow", json!({"service": "Deploy"}))),
        ("`` is not a valid name", run("allow", json!({"service": ""}))),
        (
            "`a-b` is not a valid name",
            run("allow", json!({"service": "deploy", "attributes": {"a-b": {"value": "x"}}})),
        ),
        ("1 to 16 audiences", run("allow", json!({"service": "deploy", "audiences": []}))),
        ("1 to 16 audiences", run("allow", json!({"service": "deploy", "audiences": [""]}))),
        ("denies every run", run("deny", json!({"service": "deploy", "audiences": ["x"]}))),
        ("denies every run", run("deny", json!({"service": "deploy", "attributes": {"a": {"value": "x"}}}))),
        ("exactly one of", attribute(json!({}))),
        ("exactly one of", attribute(json!({"claim": "a", "value": "b"}))),
        ("exactly one of", attribute(json!({"value": "b", "stripPrefix": "x"}))),
        ("claim path `a.`", attribute(json!({"claim": "a."}))),
        ("a value must have 1 to 255 bytes", attribute(json!({"value": ""}))),
        ("a value must have 1 to 255 bytes", attribute(json!({"claim": "a", "stripPrefix": ""}))),
        ("a choice 1 to 64 values", attribute(json!({"choose": []}))),
        ("did not match any variant", attribute(json!({"choose": "all"}))),
        ("unknown field `default`", attribute(json!({"value": "a", "default": "b"}))),
    ] {
        assert!(found.contains(expected), "{found} has no {expected}");
    }
}

#[test]
fn bounds_hold_for_all_policies_together() {
    let document = |rules: usize, bytes: usize| {
        let rules: Map<String, Value> =
            (0..rules).map(|index| (format!("c{index}"), "a".repeat(bytes).into())).collect();
        json!({"decision": "deny", "tokenType": "organization", "rules": rules})
    };
    assert!(fault(document(65, 1)).contains("at most 64 rules; this one has 65"));
    let documents = |count: usize, json: &Value| -> Vec<PolicyDocument> {
        (0..count).map(|_| serde_json::from_value(json.clone()).unwrap()).collect()
    };
    let small = document(1, 1);
    assert_eq!(parse_policies(documents(100, &small)).unwrap().len(), 100);
    assert_eq!(parse_policies(documents(101, &small)), Err(PoliciesError::TooMany(101)));
    let large = document(64, 500);
    assert!(matches!(parse_policies(documents(3, &large)), Err(PoliciesError::TooMuchText(_))));
    let large: Vec<_> = (0..3).map(|_| policy(large.clone())).collect();
    assert!(matches!(PoliciesInForce::compile(large), Err(PoliciesError::TooMuchText(_))));
    let one_is_none = documents(1, &small)
        .into_iter()
        .chain(documents(1, &json!({"decision": "allow", "tokenType": "team", "rules": {}})));
    let error = parse_policies(one_is_none.collect()).unwrap_err();
    assert_eq!(error.to_string(), "policies[1]: `teamName` is missing: tokenType `team` needs it");
}
