//! The parts of a role's trust policy that concern web identities.

use serde_json::Value;

use super::ACCOUNT;
use super::token::Identity;

/// Whether the policy lets this identity assume the role. Tags and a source identity are separate actions.
pub(super) fn allows(policy: &Value, identity: &Identity, tags: bool, source_identity: bool) -> bool {
    let mut actions = vec!["sts:AssumeRoleWithWebIdentity"];
    actions.extend(tags.then_some("sts:TagSession"));
    actions.extend(source_identity.then_some("sts:SetSourceIdentity"));
    actions.iter().all(|action| allows_action(policy, identity, action))
}

fn allows_action(policy: &Value, identity: &Identity, action: &str) -> bool {
    let speaks_of = |statement: &&Value| {
        one_or_more(&statement["Action"]).contains(&action)
            && one_or_more(&statement["Principal"]["Federated"]).contains(&provider_arn(identity).as_str())
            && statement["Condition"].as_object().into_iter().flatten().all(|(operator, keys)| {
                keys.as_object().unwrap().iter().all(|(key, wanted)| holds(operator, key, wanted, identity))
            })
    };
    let statements = policy["Statement"].as_array().expect("a policy has statements");
    let effects: Vec<&Value> = statements.iter().filter(speaks_of).map(|found| &found["Effect"]).collect();
    effects.iter().any(|&effect| effect == "Allow") && effects.iter().all(|&effect| effect != "Deny")
}

fn provider_arn(identity: &Identity) -> String {
    format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{}", identity.issuer.trim_start_matches("https://"))
}

/// A condition key that the token lacks is never satisfied; for an issuer unknown to AWS only `aud` and `sub`
/// exist.
fn holds(operator: &str, key: &str, wanted: &Value, identity: &Identity) -> bool {
    let issuer = identity.issuer.trim_start_matches("https://");
    let found = match key.strip_prefix(&format!("{issuer}:")) {
        Some("aud") => &identity.audience,
        Some("sub") => &identity.subject,
        _ => return false,
    };
    let wanted = one_or_more(wanted);
    let any = |matches: fn(&str, &str) -> bool| wanted.iter().any(|pattern| matches(pattern, found));
    match operator.strip_prefix("ForAnyValue:").unwrap_or(operator) {
        "StringEquals" => any(|wanted, found| wanted == found),
        "StringNotEquals" => !any(|wanted, found| wanted == found),
        "StringEqualsIgnoreCase" => any(str::eq_ignore_ascii_case),
        "StringLike" => any(|pattern, found| like(pattern.as_bytes(), found.as_bytes())),
        "StringNotLike" => !any(|pattern, found| like(pattern.as_bytes(), found.as_bytes())),
        other => panic!("the stand-in does not know the operator {other}"),
    }
}

fn one_or_more(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// `*` matches any number of characters, `?` exactly one.
fn like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], _) => text.is_empty(),
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|skipped| like(rest, &text[skipped..])),
        ([b'?', rest @ ..], [_, text @ ..]) => like(rest, text),
        ([wanted, rest @ ..], [found, text @ ..]) => wanted == found && like(rest, text),
        (_, []) => false,
    }
}
