//! Policies and their risks, for people. Policies are counted from 0, as in the server's messages.

use crate::api::OrNewer;
use crate::api::policies::Finding;
use crate::cli::terminal::output::{Colour, paint, safe};
use crate::cli::terminal::table::{cell, fields, indented};
use crate::trust::lint::Severity;
use crate::trust::pattern::Syntax;
use crate::trust::policy::{PermissionsDocument, PolicyDocument, TokenType};

/// A paragraph for each policy.
pub(in crate::cli) fn policies_text(policies: &[OrNewer<PolicyDocument>]) -> String {
    if policies.is_empty() {
        return "No policies: nothing is exchanged.\n".to_owned();
    }
    policies.iter().enumerate().map(policy_text).collect()
}

/// A line for each finding, or nothing.
pub(in crate::cli) fn findings_text(findings: &[Finding]) -> String {
    findings.iter().map(finding_text).collect()
}

fn policy_text((index, policy): (usize, &OrNewer<PolicyDocument>)) -> String {
    let policy = match policy {
        OrNewer::Known(policy) => policy,
        OrNewer::Newer(policy) => return format!("policies[{index}]  {}\n", safe(&policy.to_string())),
    };
    let head = safe(&format!("policies[{index}]  {}  {}", cell(&policy.decision), grant(policy)));
    let rules = policy.rules.0.iter().map(|(claim, pattern)| (claim.as_str(), pattern.clone()));
    format!("{head}\n{}", indented(&fields(&rules.collect::<Vec<_>>())))
}

fn grant(policy: &PolicyDocument) -> String {
    let named = |kind: &str, name: &Option<String>| format!("{kind} {}", cell(name));
    let whom = match policy.token_type {
        TokenType::Team => named("team", &policy.team_name),
        TokenType::Personal => named("user", &policy.user_login),
        TokenType::Runner => named("runner", &policy.runner_id),
        TokenType::Run => format!("run {}", cell(&policy.run)),
        TokenType::Organization => match &policy.authorized_permissions {
            PermissionsDocument::List(list) if !list.is_empty() => "organization, including admin".to_owned(),
            _ => "organization".to_owned(),
        },
    };
    let role = policy.role_id.as_ref().map(|role| format!(", role {role}"));
    let syntax = Some(policy.syntax).filter(|syntax| *syntax != Syntax::default());
    let syntax = syntax.map(|syntax| format!(", {} syntax", cell(&syntax)));
    format!("{whom}{}{}", role.unwrap_or_default(), syntax.unwrap_or_default())
}

fn finding_text(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Refuse => paint(Colour::Red, "refuse"),
        Severity::Warn => paint(Colour::Yellow, "warn  "),
    };
    let rule = finding.rule.as_ref().map(|rule| format!(" {rule}")).unwrap_or_default();
    let text = format!("policies[{}]{rule}: {} ({})", finding.policy, finding.reason, cell(&finding.code));
    format!("{severity}  {}\n", safe(&text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_policy_is_shown_with_its_grant_and_rules() {
        let policies = json!([
            {"decision": "allow", "tokenType": "team", "teamName": "web", "rules": {"aud": "x", "repository": "a/b"}},
            {"decision": "deny", "tokenType": "organization", "authorizedPermissions": ["admin"], "rules": {"\u{1b}": "y"}},
        ]);
        assert_eq!(
            policies_text(&serde_json::from_value::<Vec<_>>(policies).unwrap()),
            "policies[0]  allow  team web\n  aud         x\n  repository  a/b\n\
             policies[1]  deny  organization, including admin\n  \\u001b  y\n"
        );
        assert_eq!(policies_text(&[]), "No policies: nothing is exchanged.\n");
    }
}
