use std::collections::BTreeSet;

use serde_json::json;

use super::super::saving::{SavingError, SavingFault, check_for_saving};
use super::*;

fn save(json: Value) -> Result<(), SavingFault> {
    let in_subject = |service: &str| {
        let names = match service {
            "deploy" => ["project", "stack", "operation"].as_slice(),
            _ => return None,
        };
        Some(names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>())
    };
    check_for_saving(&[policy(json)], in_subject).map_err(|SavingError { index, fault }| {
        assert_eq!(index, 0);
        fault
    })
}

fn organization(decision: &str, syntax: &str, subject: &str) -> Value {
    json!({"decision": decision, "tokenType": "organization", "syntax": syntax, "rules": {"sub": subject, "aud": "x"}})
}

#[test]
fn an_allowing_policy_may_not_match_every_subject() {
    for subject in ["*", "?", "**", "*?*"] {
        let error = save(organization("allow", "strict", subject)).unwrap_err();
        assert_eq!(error, SavingFault::AnySubject(subject.to_owned()));
    }
    assert!(save(organization("allow", "compatible", "..*")).is_err());
    assert_eq!(save(organization("allow", "strict", "..*")), Ok(()));
    assert_eq!(save(organization("allow", "strict", "*:*")), Ok(()), "the linter says more");
    let quoted = json!({"decision": "allow", "tokenType": "organization", "rules": {"\"sub\"": "*"}});
    assert_eq!(save(quoted), Err(SavingFault::AnySubject("*".to_owned())));
    let nested = json!({"decision": "allow", "tokenType": "organization", "rules": {"act.sub": "*"}});
    assert_eq!(save(nested), Ok(()));
}

#[test]
fn a_denying_policy_may_match_every_subject_but_not_none() {
    assert_eq!(save(organization("deny", "strict", "*")), Ok(()));
    assert_eq!(save(organization("deny", "strict", "")), Err(SavingFault::EmptySubject));
    assert_eq!(save(organization("allow", "strict", "")), Err(SavingFault::EmptySubject));
}

#[test]
fn a_caller_cannot_choose_a_subject() {
    let run = |service: &str, name: &str, source: Value| {
        save(json!({
            "decision": "allow", "tokenType": "run",
            "run": {"service": service, "attributes": {name: source}}, "rules": {"sub": "a"},
        }))
    };
    assert_eq!(run("deploy", "note", json!({"choose": "any"})), Ok(()));
    assert_eq!(run("deploy", "stack", json!({"value": "prod"})), Ok(()));
    assert_eq!(run("deploy", "stack", json!({"claim": "environment"})), Ok(()));
    for choice in [json!("any"), json!(["prod"])] {
        let fault = run("deploy", "stack", json!({"choose": choice})).unwrap_err();
        assert_eq!(fault, SavingFault::ChosenSubject("stack".to_owned()));
    }
    assert_eq!(
        run("other", "a", json!({"value": "b"})),
        Err(SavingFault::UnknownService("other".to_owned()))
    );
}
