use serde_json::{Map, Value, json};

use super::*;
use crate::lint::{Code, Severity, lint};
use crate::policy::audience::PoliciesInForce;
use crate::policy::evaluation::{Asked, Verdict};
use crate::policy::saving::check_for_saving;

fn inputs(values: &[(&str, &str)]) -> PresetInputs {
    PresetInputs {
        organization: "acme".to_owned(),
        url: None,
        audience: None,
        values: values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        grant: PresetGrant::Organization { admin: false },
    }
}

fn filled(preset: &str, values: &[(&str, &str)]) -> FilledPreset {
    let mut inputs = inputs(values);
    if matches!(preset, "kubernetes" | "eks" | "aks") {
        inputs.url = Some("https://cluster.example/id/1".to_owned());
    }
    Preset::named(preset).unwrap().fill(&inputs).unwrap()
}

fn is_allowed(filled: &FilledPreset, claims: &Value) -> bool {
    let compiled = PoliciesInForce::compile(filled.policies.clone()).unwrap();
    let claims: &Map<String, Value> = claims.as_object().unwrap();
    let verdict = compiled.speaking_to(claims, "acme").decide(&Asked::Organization { admin: false });
    matches!(verdict, Verdict::Allowed { .. })
}

/// `claims` are allowed, and refused with any one of `others` in its place.
#[track_caller]
fn takes_only(filled: &FilledPreset, claims: &Value, others: &Value) {
    assert!(is_allowed(filled, claims), "{filled:?} refuses {claims}");
    for (name, other) in others.as_object().unwrap() {
        let mut changed = claims.clone();
        changed[name] = other.clone();
        assert!(!is_allowed(filled, &changed), "{filled:?} takes {changed}");
    }
    let findings = lint(&filled.policies, &filled.url);
    assert!(
        findings.iter().all(|one| one.severity == Severity::Warn && one.code == Code::MutableName),
        "{findings:?}"
    );
    assert_eq!(check_for_saving(&filled.policies, |_| None), Ok(()));
}

#[test]
fn github_takes_one_repository_and_no_pull_requests() {
    let claims = json!({
        "iss": "https://token.actions.githubusercontent.com", "aud": "urn:runmint:org:acme",
        "sub": "repo:acme@1/website@2:environment:prod", "repository": "acme/website", "repository_id": "2",
        "repository_owner": "acme", "ref": "refs/heads/main", "environment": "prod", "event_name": "push",
    });
    let least = filled("github", &[("repo", "acme/website")]);
    assert_eq!(
        (least.name.as_str(), least.url.as_str()),
        ("GitHub Actions", "https://token.actions.githubusercontent.com")
    );
    let foreign = json!({
        "aud": "urn:runmint:org:other", "repository": "acme/website2", "event_name": "pull_request",
    });
    takes_only(&least, &claims, &foreign);
    takes_only(&least, &claims, &json!({"event_name": "pull_request_target", "repository": "ACME/website"}));
    let most = filled(
        "github",
        &[("repo", "acme/website"), ("repo_id", "2"), ("branch", "main"), ("environment", "prod")],
    );
    takes_only(
        &most,
        &claims,
        &json!({"repository_id": "3", "ref": "refs/heads/main2", "environment": null}),
    );
    assert!(lint(&most.policies, &most.url).is_empty());
}

#[test]
fn gitlab_takes_one_project_and_protected_refs() {
    let claims = json!({
        "iss": "https://gitlab.com", "aud": "urn:runmint:org:acme",
        "sub": "project_path:acme/web/site:ref_type:branch:ref:main", "project_path": "acme/web/site",
        "project_id": "7", "namespace_id": "3", "ref": "main", "ref_type": "branch", "ref_protected": "true",
    });
    let least = filled("gitlab", &[("project", "acme/web/site")]);
    takes_only(
        &least,
        &claims,
        &json!({"aud": "x", "project_path": "fork/web/site", "ref_protected": "false"}),
    );
    let most = filled("gitlab", &[("project", "acme/web/site"), ("project_id", "7"), ("branch", "main")]);
    takes_only(&most, &claims, &json!({"project_id": "8", "ref": "dev", "ref_type": "tag"}));
    assert!(lint(&most.policies, &most.url).is_empty());
}

#[test]
fn every_kubernetes_takes_one_service_account() {
    let claims = json!({
        "aud": ["urn:runmint:org:acme"], "sub": "system:serviceaccount:ci:runner",
        "kubernetes.io": {"namespace": "ci", "serviceaccount": {"name": "runner", "uid": "0-0"}},
    });
    let account = [("namespace", "ci"), ("service_account", "runner")];
    let cluster = [("project", "acme-prod"), ("location", "europe-west1"), ("cluster", "main")];
    for preset in ["kubernetes", "eks", "aks"] {
        takes_only(
            &filled(preset, &account),
            &claims,
            &json!({"aud": ["x"], "sub": "system:serviceaccount:ci:runner2"}),
        );
        let error = Preset::named(preset).unwrap().fill(&inputs(&account)).unwrap_err();
        assert!(matches!(error, PresetError::NoUrl { hint, .. } if !hint.is_empty()), "{error}");
    }
    let gke = filled("gke", &[account.as_slice(), &cluster].concat());
    takes_only(&gke, &claims, &json!({"sub": "system:serviceaccount:default:runner"}));
    assert_eq!(
        gke.url,
        "https://container.googleapis.com/v1/projects/acme-prod/locations/europe-west1/clusters/main"
    );
    assert!(matches!(
        Preset::named("gke").unwrap().fill(&inputs(&account)).unwrap_err(),
        PresetError::NoUrl { .. }
    ));
}

#[test]
fn azure_devops_takes_one_service_connection_or_pipeline() {
    let organization = ("organization_id", "0-0");
    let named = [organization, ("devops_organization", "acme"), ("project", "web")];
    let claims = json!({"aud": "api://AzureADTokenExchange", "sub": "sc://acme/web/deploy", "org_id": "0-0"});
    let connection =
        filled("azure-devops", &[named.as_slice(), &[("service_connection", "deploy")]].concat());
    assert_eq!(connection.url, "https://vstoken.dev.azure.com/0-0");
    takes_only(&connection, &claims, &json!({"aud": "urn:runmint:org:acme", "sub": "p://acme/web/deploy"}));
    let pipeline = filled("azure-devops", &[named.as_slice(), &[("pipeline", "deploy")]].concat());
    takes_only(
        &pipeline,
        &json!({"aud": "api://AzureADTokenExchange", "sub": "p://acme/web/deploy"}),
        &json!({"sub": "sc://acme/web/deploy"}),
    );
    let mut entra = inputs(&[("subject", "/eid1/c/pub/t/x/a/y/z")]);
    entra.url = Some("https://login.microsoftonline.com/0-0/v2.0".to_owned());
    entra.audience = Some("fb60f99c-7a34-4190-8149-302f77469936".to_owned());
    let entra = Preset::named("azure-devops").unwrap().fill(&entra).unwrap();
    takes_only(
        &entra,
        &json!({"aud": "fb60f99c-7a34-4190-8149-302f77469936", "sub": "/eid1/c/pub/t/x/a/y/z"}),
        &json!({"aud": "api://AzureADTokenExchange", "sub": "/eid1/c/pub/t/x/a/y/zz"}),
    );
}

#[test]
fn circleci_takes_one_project_and_no_shells() {
    let claims = |sub: &str| {
        json!({
            "iss": "https://oidc.circleci.com/org/0-0", "aud": "0-0", "sub": sub,
            "oidc.circleci.com/project-id": "1-1", "oidc.circleci.com/ssh-rerun": false,
            "oidc.circleci.com/vcs-origin": "github.com/acme/website", "oidc.circleci.com/vcs-ref": "refs/heads/main",
        })
    };
    let named = [("organization_id", "0-0"), ("project_id", "1-1")];
    let least = filled("circleci", &named);
    assert_eq!(least.url, "https://oidc.circleci.com/org/0-0");
    let foreign =
        json!({"aud": "0-1", "sub": "org/0-0/project/1-2/user/2-2", "oidc.circleci.com/ssh-rerun": true});
    takes_only(&least, &claims("org/0-0/project/1-1/user/2-2"), &foreign);
    let second = "org/0-0/project/1-1/user/2-2/vcs-origin/github.com/acme/website/vcs-ref/refs/heads/main";
    let most = filled(
        "circleci",
        &[named.as_slice(), &[("repository", "github.com/acme/website"), ("branch", "main")]].concat(),
    );
    takes_only(&most, &claims(second), &json!({"oidc.circleci.com/vcs-origin": "github.com/fork/website"}));
}

#[test]
fn buildkite_takes_one_pipeline() {
    let claims = json!({
        "aud": "urn:runmint:org:acme", "organization_slug": "acme", "pipeline_slug": "website",
        "sub": "organization:acme:pipeline:website:ref:refs/heads/main:commit:9f31:step:build",
        "organization_id": "0-0", "pipeline_id": "1-1",
    });
    let named = [("buildkite_organization", "acme"), ("pipeline", "website")];
    let dev = "organization:acme:pipeline:website:ref:refs/heads/dev:commit:9f31:step:build";
    takes_only(
        &filled("buildkite", &named),
        &claims,
        &json!({"aud": "x", "sub": dev.replace("website", "website2")}),
    );
    let most = filled(
        "buildkite",
        &[named.as_slice(), &[("organization_id", "0-0"), ("pipeline_id", "1-1"), ("branch", "main")]]
            .concat(),
    );
    takes_only(&most, &claims, &json!({"sub": dev, "organization_id": "0-1", "pipeline_id": "1-2"}));
    assert!(lint(&most.policies, &most.url).is_empty());
}

#[test]
fn the_grant_is_the_callers() {
    let mut inputs = inputs(&[("repo", "acme/website")]);
    inputs.grant = PresetGrant::Team("ops".to_owned());
    let filled = Preset::named("github").unwrap().fill(&inputs).unwrap();
    assert!(filled.policies.iter().all(|policy| policy.grant().name().unwrap().as_str() == "ops"));
    inputs.grant = PresetGrant::Organization { admin: true };
    let filled = Preset::named("github").unwrap().fill(&inputs).unwrap();
    assert_eq!(
        serde_json::to_value(&filled.policies).unwrap(),
        json!([
            {"decision": "allow", "tokenType": "organization", "authorizedPermissions": ["admin"],
             "rules": {"aud": "urn:runmint:org:acme", "repository": "acme/website"}},
            {"decision": "deny", "tokenType": "organization", "authorizedPermissions": [],
             "rules": {"event_name": "pull_request*"}},
        ])
    );
}

#[test]
fn says_what_it_needs() {
    let fill = |values: &[(&str, &str)]| {
        Preset::named("github").unwrap().fill(&inputs(values)).unwrap_err().to_string()
    };
    assert_eq!(fill(&[]), "preset `github` needs repo");
    assert_eq!(
        fill(&[("repo", "acme/*")]),
        "`repo` has the wildcard `*`; to use a wildcard, edit the policies afterwards"
    );
    assert_eq!(fill(&[("repo", "")]), "`repo` is empty");
    assert_eq!(
        fill(&[("project", "x")]),
        "`project` is not an input of preset `github`; use repo, repo_id, branch, environment"
    );
    assert_eq!(
        Preset::named("jenkins").unwrap_err().to_string(),
        "preset `jenkins` does not exist; use one of github, gitlab, kubernetes, eks, gke, aks, azure-devops, circleci, buildkite"
    );
    let azure = Preset::named("azure-devops").unwrap();
    let error = azure.fill(&inputs(&[("devops_organization", "acme"), ("project", "web")])).unwrap_err();
    assert_eq!(error.to_string(), "preset `azure-devops` needs subject or service_connection or pipeline");
}

/// Every name in a template is an input, and every input is in a template.
#[test]
fn the_data_is_consistent() {
    for preset in Preset::all() {
        let definition = preset.definition;
        let rules = definition.allow.iter().chain(&definition.deny).map(|(_, template)| template.as_str());
        let others =
            [&definition.url, &definition.default_audience].into_iter().flatten().map(String::as_str);
        let templates: Vec<_> = rules.chain(others).collect();
        for input in preset.inputs() {
            let named = |template: &&str| template.contains(&format!("{{{}", input.name));
            assert!(templates.iter().any(named), "{}: {} does nothing", preset.key(), input.name);
            assert!(!input.help.is_empty());
        }
        for placeholder in templates.iter().flat_map(|template| template.split('{').skip(1)) {
            let name = placeholder.split(['}', '?']).next().unwrap();
            let known = matches!(name, "audience" | "organization") || definition.inputs.contains_key(name);
            assert!(known, "{}: {name} is not an input", preset.key());
        }
        let alternatives = definition.required.iter().flat_map(|one| one.split(" | "));
        assert!(
            alternatives.into_iter().all(|name| definition.inputs.contains_key(name)),
            "{}",
            preset.key()
        );
        assert!(definition.url.is_some() || definition.url_hint.is_some());
    }
}
