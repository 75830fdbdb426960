//! Names that can pass to another owner: after an owner is renamed, the next owner of the old name gets the tokens
//! that a policy by name expects.

use super::findings::{Code, Findings};
use super::issuers::Platform;
use super::subject::quoted;
use crate::policy::{Policy, Rule};

pub(super) fn lint(policy: &Policy, platform: Platform, findings: &mut Findings<'_>) {
    let has_any =
        |ids: &[&str]| ids.iter().any(|id| policy.rule(id).is_some_and(|rule| rule.pattern.is_literal()));
    for (name, ids) in platform.mutable_claims() {
        if let Some(rule) = policy.rule(name)
            && !has_any(ids)
        {
            warn(rule, ids, findings);
        }
    }
    if let (Some(rule), Some((prefixes, ids))) = (policy.rule("sub"), platform.mutable_subject()) {
        let subject = rule.pattern.as_str();
        let by_name = prefixes.iter().any(|prefix| subject.starts_with(prefix));
        // GitHub's subjects since July 2026: `repo:acme@1/website@2:…`.
        let with_ids = platform == Platform::Github && subject.matches('@').count() >= 2;
        if by_name && !with_ids && !has_any(ids) {
            warn(rule, ids, findings);
        }
    }
}

fn warn(rule: &Rule, ids: &[&str], findings: &mut Findings<'_>) {
    let reason = format!(
        "the name can be given up and taken by another owner: add a rule for {}, which never changes hands",
        quoted(ids).replace(", ", " or "),
    );
    findings.warn(Some(rule), Code::MutableName, reason);
}
