//! Policies and what is said about them, for people. Counted from 0, as in the server's messages.

use serde_json::Value;

use crate::cli::terminal::output::{Colour, paint, safe};
use crate::cli::terminal::table::{cell, fields, indented};

/// A paragraph for each policy.
pub(in crate::cli) fn policies_text(policies: &Value) -> String {
    match policies.as_array() {
        Some(all) if !all.is_empty() => all.iter().enumerate().map(policy_text).collect(),
        _ => "No policies: nothing is exchanged.\n".to_owned(),
    }
}

/// A line for each finding, or nothing.
pub(in crate::cli) fn findings_text(findings: &Value) -> String {
    findings.as_array().into_iter().flatten().map(finding_text).collect()
}

fn policy_text((index, policy): (usize, &Value)) -> String {
    let head = safe(&format!("policies[{index}]  {}  {}", cell(&policy["decision"]), grant(policy)));
    let rules = policy["rules"].as_object().into_iter().flatten();
    let rules: Vec<(&str, String)> = rules.map(|(claim, pattern)| (claim.as_str(), cell(pattern))).collect();
    format!("{head}\n{}", indented(&fields(&rules)))
}

fn grant(policy: &Value) -> String {
    let named = |kind: &str, member: &str| format!("{kind} {}", cell(&policy[member]));
    let whom = match policy["tokenType"].as_str() {
        Some("team") => named("team", "teamName"),
        Some("personal") => named("user", "userLogin"),
        Some("runner") => named("runner", "runnerID"),
        Some("run") => named("run", "run"),
        _ if policy["authorizedPermissions"].as_array().is_some_and(|list| !list.is_empty()) => {
            "organization, admin too".to_owned()
        }
        _ => cell(&policy["tokenType"]),
    };
    let role = policy["roleID"].as_str().map(|role| format!(", role {role}"));
    let syntax = policy["syntax"].as_str().map(|syntax| format!(", {syntax} syntax"));
    format!("{whom}{}{}", role.unwrap_or_default(), syntax.unwrap_or_default())
}

fn finding_text(finding: &Value) -> String {
    let severity = match finding["severity"].as_str() {
        Some("refuse") => paint(Colour::Red, "refuse"),
        _ => paint(Colour::Yellow, "warn  "),
    };
    let rule = finding["rule"].as_str().map(|rule| format!(" {rule}")).unwrap_or_default();
    let place = format!("policies[{}]{rule}", cell(&finding["policy"]));
    let (code, reason) = (cell(&finding["code"]), cell(&finding["reason"]));
    format!("{severity}  {}\n", safe(&format!("{place}: {reason} ({code})")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_policy_says_for_whom_it_is_and_what_it_looks_for() {
        let policies = json!([
            {"decision": "allow", "tokenType": "team", "teamName": "web", "rules": {"aud": "x", "repository": "a/b"}},
            {"decision": "deny", "tokenType": "organization", "authorizedPermissions": ["admin"], "rules": {"\u{1b}": "y"}},
        ]);
        assert_eq!(
            policies_text(&policies),
            "policies[0]  allow  team web\n  aud         x\n  repository  a/b\n\
             policies[1]  deny  organization, admin too\n  \\u001b  y\n"
        );
        assert_eq!(policies_text(&json!([])), "No policies: nothing is exchanged.\n");
    }
}
