//! Finds policies that are valid and accept more tokens than their author probably meant.
//!
//! Each finding names the tokens that get in. `refuse` marks policies that accept strangers' tokens: an issuer that
//! all its customers share gives tokens to each of them, and only a claim that names the customer tells them apart.

mod findings;
mod issuers;
mod names;
mod subject;

pub use self::findings::{Code, Finding, Severity};
pub use self::issuers::Platform;

use self::findings::Findings;
use super::pattern::Syntax;
use super::policy::{Grant, Policy, Rule};

/// The risks of `policies` of the issuer at `issuer_url`: refusals first, then in the order of the policies.
pub fn lint(policies: &[Policy], issuer_url: &str) -> Vec<Finding> {
    let platform = Platform::of(issuer_url, policies);
    let shared = issuers::is_shared(issuer_url);
    let mut findings = Vec::new();
    for (index, policy) in policies.iter().enumerate() {
        let mut about = Findings { policy: index, found: &mut findings };
        unquoted_dots(policy, &mut about);
        if !policy.allows() {
            continue;
        }
        subject::lint(policy, policies, platform, shared, &mut about);
        names::lint(policy, platform, &mut about);
        compatible_dots(policy, &mut about);
        any_name(policy, &mut about);
        audience(policy, issuers::fixes_the_audience(issuer_url, platform), &mut about);
    }
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// Claims are called `kubernetes.io` or `https://…`; the dots in their names do not lead into an object.
fn unquoted_dots(policy: &Policy, findings: &mut Findings<'_>) {
    for rule in policy.rules() {
        let members = rule.claim.members();
        let looks_like_a_name = members.len() > 1
            && (members.iter().any(|member| member.contains(['/', ':']) && !member.contains('.'))
                || members[..2] == ["kubernetes", "io"]);
        if looks_like_a_name {
            let effect = if policy.allows() { "allows" } else { "denies" };
            let reason = format!(
                "each unquoted dot leads into an object, so this rule finds no value and the policy {effect} nothing: put the claim's own name in double quotes"
            );
            findings.warn(Some(rule), Code::UnquotedDots, reason);
        }
    }
}

fn compatible_dots(policy: &Policy, findings: &mut Findings<'_>) {
    let dotted = |rule: &&Rule| policy.syntax() == Syntax::Compatible && rule.pattern.as_str().contains('.');
    for rule in policy.rules().iter().filter(dotted) {
        let other = rule.pattern.as_str().replace('.', "X");
        let reason = format!(
            "each `.` matches any one character, so `{other}` matches too and may have another owner; use strict syntax, where a dot is a dot"
        );
        findings.warn(Some(rule), Code::CompatibleDot, reason);
    }
}

/// A token for another service was shown to that service.
fn audience(policy: &Policy, fixed: bool, findings: &mut Findings<'_>) {
    let Some(rule) = policy.rule("aud") else { return };
    let pattern = rule.pattern.as_str();
    if rule.pattern.is_all_wildcards() {
        let reason = "it accepts every audience, so every service that is shown a token of this issuer can exchange it here: name one audience";
        findings.warn(Some(rule), Code::AnyAudience, reason);
    } else if !pattern.contains(":org:") && !fixed {
        let reason = format!(
            "tokens for `{pattern}` are shown to that service, which can exchange them here: let jobs request `urn:runmint:org:ORG`"
        );
        findings.warn(Some(rule), Code::OthersAudience, reason);
    }
}

fn any_name(policy: &Policy, findings: &mut Findings<'_>) {
    let (Some(name), grant) = (policy.grant().name(), policy.grant()) else { return };
    if name.is_all_wildcards() {
        let whom = match grant {
            Grant::Team(_) => "team",
            Grant::Personal(_) => "user",
            _ => "runner",
        };
        let reason = format!("the caller chooses the name, and may become every {whom} of the organization");
        findings.warn(None, Code::AnyName, reason);
    }
}

#[cfg(test)]
mod tests;
