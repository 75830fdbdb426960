//! Rules for the subject, and for claims in its place.

use super::findings::{Code, Findings};
use super::issuers::Platform;
use crate::pattern::Pattern;
use crate::policy::{Policy, Rule};

const SEPARATORS: &[char] = &[':', '/'];

pub(super) fn lint(
    policy: &Policy,
    all: &[Policy],
    platform: Platform,
    shared: bool,
    findings: &mut Findings<'_>,
) {
    let subject = policy.rule("sub");
    let stranger = shared && !names_customer(policy, platform);
    if stranger {
        let reason = format!(
            "every {} gets tokens of this issuer, and no rule names yours: give one of {} a rule without wildcards",
            platform.customer(),
            quoted(platform.tenant_claims()),
        );
        findings.refuse(subject, Code::AnyTenant, reason);
    }
    match subject {
        Some(rule) => wildcard_first(rule, policy, platform, findings),
        None if !stranger => no_subject(policy, platform, findings),
        None => {}
    }
    if platform == Platform::Github && !stranger {
        pull_requests(policy, all, findings);
    }
}

/// Whether the policy matches tokens of one customer of the issuer only.
fn names_customer(policy: &Policy, platform: Platform) -> bool {
    let by_claim = platform.tenant_claims().iter().filter_map(|name| policy.rule(name)).any(|rule| {
        // In `owner/repository` the owner alone must be complete.
        let owner_ends =
            ["repository", "workflow_ref", "project_path"].iter().any(|of| rule.claim.is_claim(of));
        is_bound(&rule.pattern) || (owner_ends && rule.pattern.literal_prefix().contains('/'))
    });
    by_claim || policy.rule("sub").is_some_and(|rule| subject_names_customer(&rule.pattern, platform))
}

fn subject_names_customer(subject: &Pattern, platform: Platform) -> bool {
    let literal = subject.literal_prefix();
    platform.subject_tenants().iter().any(|(part, ends)| {
        let starts = literal.match_indices(part).map(|(at, _)| at);
        // A part begins the subject or follows a separator: `xrepo:` is another part.
        starts.filter(|at| *at == 0 || literal[..*at].ends_with(':')).any(|at| {
            let value = &literal[at + part.len()..];
            match value.find(*ends) {
                Some(end) => end > 0,
                None => subject.is_literal() && !value.is_empty(),
            }
        })
    })
}

fn wildcard_first(rule: &Rule, policy: &Policy, platform: Platform, findings: &mut Findings<'_>) {
    let pattern = &rule.pattern;
    if pattern.is_literal() || pattern.literal_prefix().contains(SEPARATORS) {
        return;
    }
    let otherwise_bound = bound_claims(platform).any(|name| bound(policy, name));
    let reason = "a wildcard precedes the first `:` or `/`, where a subject names its kind: subjects of other kinds match too";
    if pattern.literal_prefix().is_empty() && !otherwise_bound {
        findings.refuse(Some(rule), Code::WildcardFirst, reason);
    } else {
        findings.warn(Some(rule), Code::WildcardFirst, reason);
    }
}

/// `repo:acme/*:pull_request`, and patterns that match it.
fn pull_requests(policy: &Policy, all: &[Policy], findings: &mut Findings<'_>) {
    let subject = policy.rule("sub").filter(|rule| !rule.pattern.is_all_wildcards());
    if denies_pull_requests(all, policy) {
        return;
    }
    match subject {
        Some(rule) if rule.pattern.as_str().ends_with(":pull_request") => {
            let pattern = &rule.pattern;
            if is_one_repository(pattern) || bound(policy, "repository") || bound(policy, "repository_id") {
                findings.warn(Some(rule), Code::PullRequest, "the author of a pull request writes its workflow: everyone who may open one from a branch gets this token before a review");
            } else {
                findings.refuse(Some(rule), Code::AnyRepositoryPullRequest, "it accepts pull requests of many repositories, and the author of a pull request writes its workflow: everyone who may push a branch to any of them gets this token");
            }
        }
        _ if takes_pull_requests(policy, subject) => {
            findings.warn(subject, Code::PullRequest, "it accepts every branch and every pull request, whose author writes its workflow: add a rule for `environment` or `ref`, or deny `event_name` `pull_request*`");
        }
        _ => {}
    }
}

/// Whether neither the subject nor another rule limits which of a repository's workflows match.
fn takes_pull_requests(policy: &Policy, subject: Option<&Rule>) -> bool {
    let open_end = subject.is_none_or(|rule| {
        let pattern = rule.pattern.as_str();
        pattern.ends_with('*') && !pattern.contains(":ref:") && !pattern.contains(":environment:")
    });
    let other_event = policy.rule("event_name").is_some_and(|rule| {
        !rule.pattern.matches("pull_request") && !rule.pattern.matches("pull_request_target")
    });
    open_end && !other_event && !["ref", "environment", "workflow_ref"].iter().any(|name| bound(policy, name))
}

/// Whether the pattern is literal up to the first separator after the owner.
fn is_one_repository(pattern: &Pattern) -> bool {
    let name = pattern.literal_prefix().split_once('/').map(|(_, rest)| rest);
    name.is_some_and(|rest| rest.contains(':'))
}

/// Whether another policy denies this kind of token to all pull requests.
fn denies_pull_requests(all: &[Policy], policy: &Policy) -> bool {
    all.iter().any(|other| {
        !other.allows()
            && other.grant().token_type() == policy.grant().token_type()
            && other.grant().name() == policy.grant().name()
            && matches!(other.rules(), [only] if only.claim.is_claim("event_name")
                && only.pattern.matches("pull_request") && only.pattern.matches("pull_request_target"))
    })
}

fn no_subject(policy: &Policy, platform: Platform, findings: &mut Findings<'_>) {
    let names_service_account = policy.rules().iter().any(|rule| {
        matches!(rule.claim.members(), [group, kind, _] if group == "kubernetes.io" && kind == "serviceaccount")
            && is_bound(&rule.pattern)
    });
    if names_service_account || platform.subject_claims().iter().any(|name| bound(policy, name)) {
        return;
    }
    let instead = match platform.subject_claims() {
        [] => String::new(),
        claims => format!(", or one of {}", quoted(claims)),
    };
    let reason = format!("no rule names the workload: add a rule for `sub`{instead}");
    findings.warn(None, Code::NoSubject, reason);
}

fn bound_claims(platform: Platform) -> impl Iterator<Item = &'static &'static str> {
    platform.tenant_claims().iter().chain(platform.subject_claims())
}

fn bound(policy: &Policy, name: &str) -> bool {
    policy.rule(name).is_some_and(|rule| is_bound(&rule.pattern))
}

fn is_bound(pattern: &Pattern) -> bool {
    pattern.is_literal() && !pattern.as_str().is_empty()
}

pub(super) fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
