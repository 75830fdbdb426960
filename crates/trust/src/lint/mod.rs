//! Policies that are allowed and probably not meant.
//!
//! Each finding says what somebody could do with the policy as it stands. `refuse` is for policies that let in
//! strangers: on an issuer that all its customers share, everybody gets tokens, and only a claim that names
//! the customer tells them apart.

mod issuers;
mod names;
mod subject;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::issuers::Platform;
use super::pattern::Syntax;
use super::policy::{Grant, Policy, Rule};

/// What may be wrong with a policy, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    pub policy: usize,
    /// The claim path of the rule that it is about; absent when it is about one that is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    pub severity: Severity,
    pub code: Code,
    pub reason: String,
}

/// In JSON `"refuse"` or `"warn"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Strangers get in.
    Refuse,
    /// More get in than it looks like, or others later on.
    Warn,
}

/// In JSON as `"any-tenant"`. Stable: scripts may look for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    AnyTenant,
    WildcardFirst,
    AnyRepositoryPullRequest,
    PullRequest,
    NoSubject,
    MutableName,
    CompatibleDot,
    UnquotedDots,
    AnyName,
    AnyAudience,
    OthersAudience,
}

/// What is risky about `policies` of the issuer at `issuer_url`: refusals first, then in their order.
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

struct Findings<'f> {
    policy: usize,
    found: &'f mut Vec<Finding>,
}

impl Findings<'_> {
    fn refuse(&mut self, rule: Option<&Rule>, code: Code, reason: impl Into<String>) {
        self.add(rule, Severity::Refuse, code, reason.into());
    }

    fn warn(&mut self, rule: Option<&Rule>, code: Code, reason: impl Into<String>) {
        self.add(rule, Severity::Warn, code, reason.into());
    }

    fn add(&mut self, rule: Option<&Rule>, severity: Severity, code: Code, reason: String) {
        let rule = rule.map(|rule| rule.claim.as_str().to_owned());
        self.found.push(Finding { policy: self.policy, rule, severity, code, reason });
    }
}

/// Claims are called `kubernetes.io` or `https://…`; their dots are no way into an object.
fn unquoted_dots(policy: &Policy, findings: &mut Findings<'_>) {
    for rule in policy.rules() {
        let members = rule.claim.members();
        let looks_like_a_name = members.len() > 1
            && (members.iter().any(|member| member.contains(['/', ':']) && !member.contains('.'))
                || members[..2] == ["kubernetes", "io"]);
        if looks_like_a_name {
            let effect = if policy.allows() { "allows" } else { "denies" };
            let reason = format!(
                "without quotes each dot leads into an object, so that this finds nothing and the policy {effect} nothing: put the claim's own name in double quotes"
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
            "each `.` stands for any one character, so that `{other}` matches too, which somebody else may own; in strict syntax a dot is a dot"
        );
        findings.warn(Some(rule), Code::CompatibleDot, reason);
    }
}

/// A token that was made for another service has been seen by that service.
fn audience(policy: &Policy, fixed: bool, findings: &mut Findings<'_>) {
    let Some(rule) = policy.rule("aud") else { return };
    let pattern = rule.pattern.as_str();
    if rule.pattern.is_all_wildcards() {
        let reason = "every audience will do, so that whoever is shown a token of this issuer, for whatever purpose, can exchange it here: name one audience";
        findings.warn(Some(rule), Code::AnyAudience, reason);
    } else if !pattern.contains(":org:") && !fixed {
        let reason = format!(
            "tokens for `{pattern}` are shown to that service, too, which can then exchange them here: let jobs ask for `urn:runmint:org:ORG`"
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
        let reason = format!("the caller chooses, and may become every {whom} of the organization");
        findings.warn(None, Code::AnyName, reason);
    }
}
