#![expect(clippy::needless_pass_by_value, reason = "the tests write their JSON where they use it")]

mod evaluating;
mod reading;
mod reference;
mod saving;

use serde_json::{Map, Value};

use super::audience::PoliciesInForce;
use super::evaluation::{Asked, Evaluation, Verdict};
use super::*;

fn policy(json: Value) -> Policy {
    serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("{error}: {json}"))
}

fn policies<const N: usize>(json: [Value; N]) -> Vec<Policy> {
    json.into_iter().map(policy).collect()
}

fn claims(json: Value) -> Map<String, Value> {
    match json {
        Value::Object(claims) => claims,
        other => panic!("claims are an object, not {other}"),
    }
}

/// Both ways of asking give the same verdict.
fn verdict(policies: &[Policy], claims: &Map<String, Value>, asked: &Asked) -> Verdict {
    let evaluation = evaluate(policies, claims, asked);
    let compiled = PoliciesInForce::compile(policies.to_vec()).unwrap();
    assert_eq!(evaluation.decision, compiled.all_about(claims).decide(asked));
    assert_eq!(evaluation.explanation.len(), policies.len());
    evaluation.decision
}

/// By every policy, whomever the token is for.
fn evaluate(policies: &[Policy], claims: &Map<String, Value>, asked: &Asked) -> Evaluation {
    PoliciesInForce::compile(policies.to_vec()).unwrap().all_about(claims).evaluate(asked)
}
