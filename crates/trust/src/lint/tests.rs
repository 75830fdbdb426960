#![expect(clippy::needless_pass_by_value, reason = "the tests write their JSON where they use it")]

use serde_json::{Value, json};

use super::*;

const GITHUB: &str = "https://token.actions.githubusercontent.com";

fn policy(json: Value) -> Policy {
    serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("{error}: {json}"))
}

fn allow(rules: Value) -> Policy {
    policy(json!({"decision": "allow", "tokenType": "organization", "rules": rules}))
}

fn findings(policies: &[Policy], issuer: &str) -> Vec<(Severity, Code)> {
    lint(policies, issuer).into_iter().map(|finding| (finding.severity, finding.code)).collect()
}

fn refused(rules: Value, issuer: &str) -> Vec<Code> {
    let found = findings(&[allow(rules)], issuer);
    found.into_iter().filter(|(severity, _)| *severity == Severity::Refuse).map(|(_, code)| code).collect()
}

fn warned(rules: Value, issuer: &str) -> Vec<Code> {
    let found = findings(&[allow(rules)], issuer);
    found.into_iter().filter(|(severity, _)| *severity == Severity::Warn).map(|(_, code)| code).collect()
}

#[test]
fn strangers_of_a_shared_issuer_are_refused() {
    for rules in [
        json!({"aud": "urn:runmint:org:acme"}),
        json!({"aud": "urn:runmint:org:acme", "ref": "refs/heads/main"}),
        json!({"sub": "repo:*"}),
        json!({"sub": "repo:acme*/website:*"}),
        json!({"sub": "repo:*/website:ref:refs/heads/main"}),
        json!({"sub": "environment:prod:*"}),
        json!({"sub": "repository_owner_id:12*"}),
        json!({"repository": "*/website"}),
        json!({"repository_owner": "acm?"}),
        json!({"job_workflow_ref": "acme/shared/.github/workflows/deploy.yml@refs/heads/main"}),
        json!({"actor": "ada"}),
    ] {
        assert_eq!(refused(rules.clone(), GITHUB), [Code::AnyTenant], "{rules}");
    }
    for rules in [
        json!({"sub": "repo:acme/*:environment:prod"}),
        json!({"sub": "repo:acme@1/website@2:environment:prod"}),
        json!({"sub": "repository_owner_id:12:*"}),
        json!({"sub": "environment:prod:repository_id:12"}),
        json!({"sub": "repo:*:environment:prod", "repository_owner_id": "12"}),
        json!({"repository": "acme/*"}),
        json!({"repository_id": "12"}),
        json!({"workflow_ref": "acme/website/.github/workflows/deploy.yml@*"}),
    ] {
        assert!(refused(rules.clone(), GITHUB).is_empty(), "{rules}");
    }
    let gitlab = "https://gitlab.com";
    assert_eq!(refused(json!({"sub": "project_path:*:ref_type:branch:ref:main"}), gitlab), [Code::AnyTenant]);
    assert!(refused(json!({"sub": "project_path:acme/*:ref_type:branch:ref:main"}), gitlab).is_empty());
    let buildkite = "https://agent.buildkite.com";
    assert_eq!(refused(json!({"pipeline_slug": "website"}), buildkite), [Code::AnyTenant]);
    assert!(refused(json!({"organization_slug": "acme"}), buildkite).is_empty());
}

#[test]
fn an_issuer_of_ones_own_has_no_strangers() {
    let rules = json!({"aud": "x", "repository": "*/website"});
    assert!(refused(rules.clone(), "https://token.actions.githubusercontent.com/acme").is_empty());
    assert!(refused(rules, "https://github.acme.example/_services/token").is_empty());
    assert!(refused(json!({"project_path": "*/website"}), "https://gitlab.acme.example").is_empty());
    assert!(refused(json!({"aud": "x"}), "https://oidc.circleci.com/org/0-0").is_empty());
}

#[test]
fn a_wildcard_before_the_first_separator_takes_other_kinds_of_subject() {
    let own = "https://issuer.acme.example";
    assert_eq!(refused(json!({"sub": "*:ref:refs/heads/main"}), own), [Code::WildcardFirst]);
    assert_eq!(warned(json!({"sub": "serv*:ref"}), own), [Code::WildcardFirst]);
    assert_eq!(warned(json!({"sub": "serv*"}), own), [Code::WildcardFirst]);
    assert!(warned(json!({"sub": "service:*"}), own).is_empty());
    assert!(warned(json!({"sub": "service"}), own).is_empty());
    let bound = json!({"sub": "*", "repository_id": "1", "ref": "refs/heads/main"});
    assert_eq!(warned(bound, GITHUB), [Code::WildcardFirst]);
}

#[test]
fn a_pull_request_is_what_its_author_wrote() {
    let ids = |sub: &str| json!({"sub": sub, "repository_id": "1"});
    assert_eq!(warned(ids("repo:acme/website:pull_request"), GITHUB), [Code::PullRequest]);
    assert_eq!(warned(ids("repo:acme/website:*"), GITHUB), [Code::PullRequest]);
    assert!(warned(ids("repo:acme/website:ref:refs/heads/*"), GITHUB).is_empty());
    assert!(warned(ids("repo:acme/website:environment:*"), GITHUB).is_empty());
    assert!(
        warned(json!({"sub": "repo:acme/website:*", "repository_id": "1", "environment": "prod"}), GITHUB)
            .is_empty()
    );
    // Without a subject just so.
    assert_eq!(warned(json!({"repository_id": "1"}), GITHUB), [Code::PullRequest]);
    let asked_for = json!({"repository_id": "1", "event_name": "pull_request_target"});
    assert_eq!(warned(asked_for, GITHUB), [Code::PullRequest]);
    assert!(warned(json!({"repository_id": "1", "event_name": "push"}), GITHUB).is_empty());
    for many in ["repo:acme/*:pull_request", "repo:acme/web*:pull_request"] {
        assert_eq!(refused(json!({"sub": many}), GITHUB), [Code::AnyRepositoryPullRequest], "{many}");
    }
    let deny = policy(
        json!({"decision": "deny", "tokenType": "organization", "rules": {"event_name": "pull_request*"}}),
    );
    assert!(findings(&[allow(ids("repo:acme/website:*")), deny.clone()], GITHUB).is_empty());
    let team = policy(
        json!({"decision": "allow", "tokenType": "team", "teamName": "ops", "rules": ids("repo:acme/website:*")}),
    );
    assert_eq!(findings(&[team, deny], GITHUB), [(Severity::Warn, Code::PullRequest)]);
}

#[test]
fn something_says_whose_token_it_is() {
    let ours = json!({"aud": "urn:runmint:org:acme"});
    assert_eq!(warned(ours, "https://issuer.acme.example"), [Code::NoSubject]);
    assert_eq!(
        warned(json!({"aud": "x", "prj_id": "*"}), "https://vstoken.dev.azure.com/0-0"),
        [Code::NoSubject]
    );
    assert!(warned(json!({"aud": "x", "prj_id": "0-0"}), "https://vstoken.dev.azure.com/0-0").is_empty());
    // Pulumi Cloud's guide for EKS.
    let by_account =
        json!({"\"kubernetes.io\".namespace": "ci", "\"kubernetes.io\".serviceaccount.name": "runner"});
    assert!(warned(by_account, "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE").is_empty());
    assert!(
        findings(
            &[policy(json!({"decision": "deny", "tokenType": "organization", "rules": {"aud": "x"}}))],
            GITHUB
        )
        .is_empty()
    );
}

#[test]
fn names_change_hands_and_ids_do_not() {
    for (rules, issuer) in [
        (json!({"repository": "acme/website", "environment": "prod"}), GITHUB),
        (json!({"sub": "repo:acme/website:environment:prod"}), GITHUB),
        (json!({"sub": "project_path:acme/website:ref_type:branch:ref:main"}), "https://gitlab.com"),
        (json!({"sub": "project_path:acme/website:ref_type:branch:ref:main"}), "https://gitlab.acme.example"),
        (json!({"sub": "organization:acme:pipeline:website:*"}), "https://agent.buildkite.com"),
        (json!({"sub": "sc://acme/website/deploy"}), "https://vstoken.dev.azure.com/0-0"),
    ] {
        assert_eq!(warned(rules.clone(), issuer), [Code::MutableName], "{rules}");
    }
    for (rules, issuer) in [
        (json!({"repository": "acme/website", "repository_id": "1", "ref": "refs/heads/main"}), GITHUB),
        (
            json!({"repository_owner": "acme", "repository_owner_id": "1", "event_name": "push", "repository_id": "2"}),
            GITHUB,
        ),
        (json!({"sub": "repo:acme@1/website@2:environment:prod"}), GITHUB),
        (json!({"sub": "project_path:acme/website:*", "project_id": "1"}), "https://gitlab.com"),
        (
            json!({"sub": "system:serviceaccount:ci:runner"}),
            "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE",
        ),
        (json!({"sub": "org/0-0/project/1-1/user/*"}), "https://oidc.circleci.com/org/0-0"),
    ] {
        assert!(warned(rules.clone(), issuer).is_empty(), "{rules}");
    }
}

#[test]
fn a_compatible_dot_is_somebody_elses_name() {
    let rules = json!({"sub": "repo:acme/acme.io:environment:prod", "repository_id": "1"});
    let compatible = policy(
        json!({"decision": "allow", "tokenType": "organization", "syntax": "compatible", "rules": rules}),
    );
    let found = lint(&[compatible], GITHUB);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].code, found[0].rule.as_deref()), (Code::CompatibleDot, Some("sub")));
    assert!(
        found[0].reason.contains("`repo:acme/acmeXio:environment:prod` matches too"),
        "{}",
        found[0].reason
    );
    assert!(warned(rules, GITHUB).is_empty());
}

#[test]
fn a_claims_own_dots_need_quotes() {
    let own = "https://issuer.acme.example";
    for path in ["kubernetes.io.pod.name", "oidc.circleci.com/project-id", "https://acme.example/team"] {
        let deny = policy(json!({"decision": "deny", "tokenType": "organization", "rules": {path: "x"}}));
        assert_eq!(findings(&[deny], own), [(Severity::Warn, Code::UnquotedDots)], "{path}");
    }
    for path in
        ["\"kubernetes.io\".pod.name", "\"oidc.circleci.com/project-id\"", "act.sub", "agent_tag:queue"]
    {
        let deny = policy(json!({"decision": "deny", "tokenType": "organization", "rules": {path: "x"}}));
        assert!(findings(&[deny], own).is_empty(), "{path}");
    }
}

#[test]
fn a_name_that_is_a_wildcard_is_the_callers_choice() {
    let user = policy(
        json!({"decision": "allow", "tokenType": "personal", "userLogin": "*", "rules": {"sub": "a"}}),
    );
    assert_eq!(findings(&[user], "https://issuer.acme.example"), [(Severity::Warn, Code::AnyName)]);
}

#[test]
fn a_token_for_somebody_else_is_in_their_hands() {
    let own = "https://issuer.acme.example";
    for (audience, expected) in [
        ("*", vec![Code::AnyAudience]),
        ("sts.amazonaws.com", vec![Code::OthersAudience]),
        ("urn:runmint:org:acme", vec![]),
        ("urn:pulumi:org:acme", vec![]),
    ] {
        assert_eq!(warned(json!({"aud": audience, "sub": "a:b"}), own), expected, "{audience}");
    }
    // An audience that cannot be chosen is not a fault of the policy.
    let fixed = json!({"aud": "api://AzureADTokenExchange", "sub": "sc://acme/web/x"});
    assert!(!warned(fixed, "https://vstoken.dev.azure.com/0-0").contains(&Code::OthersAudience));
}

#[test]
fn a_finding_is_json() {
    let found = lint(&[allow(json!({"iat": "x"}))], "https://issuer.acme.example");
    assert_eq!(
        serde_json::to_value(&found).unwrap(),
        json!([{"policy": 0, "severity": "warn", "code": "no-subject",
                "reason": "no rule names the workload: add a rule for `sub`"}])
    );
}
