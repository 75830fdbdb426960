//! The settings that an organization's runs need in the clouds.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::harness::{TestApp, on_both_engines};

on_both_engines![
    settings_are_replaced_as_a_whole_at_the_expected_version,
    a_run_gets_the_most_specific_settings,
    a_run_keeps_the_settings_with_which_it_started,
    invalid_settings_are_refused,
    of_two_concurrent_saves_one_gets_a_conflict,
    an_orchestrator_reads_settings_but_cannot_change_them,
];

const PATH: &str = "/api/orgs/acme/cloud-settings";
const RUNS: &str = "/api/orgs/acme/runs";

fn role(name: &str) -> Value {
    json!({"roleArn": format!("arn:aws:iam::123456789012:role/{name}")})
}

fn update() -> Value {
    json!({"service": "deploy", "attributes": {"project": "website", "stack": "staging", "operation": "update"}})
}

async fn save(app: &TestApp, version: i64, settings: Value) -> Value {
    app.put(&app.owner, PATH, &json!({"version": version, "settings": settings})).await.ok()
}

async fn settings_are_replaced_as_a_whole_at_the_expected_version(app: TestApp) {
    let none = json!({"version": 0, "settings": [], "modified_at": null});
    assert_eq!(app.get(&app.viewer, PATH).await.ok(), none);
    let settings = json!([
        {"project": "website", "aws": role("website")},
        {
            "azure": {
                "clientId": "11111111-2222-3333-4444-555555555555",
                "tenantId": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            },
            "gcp": {"projectId": "42", "workloadPoolId": "pool", "providerId": "provider", "tokenLifetime": "1h"},
        },
    ]);
    let saved = save(&app, 0, settings.clone()).await;
    let expected = json!({"version": 1, "settings": settings, "modified_at": "2026-01-02T03:04:05Z"});
    assert_eq!(saved, expected);
    assert_eq!(app.get(&app.viewer, PATH).await.ok(), expected);
    assert_eq!(save(&app, 1, json!([])).await["version"], 2);
    let versions = "SELECT COUNT(*) FROM cloud_settings WHERE created_by IS NOT NULL";
    assert_eq!(app.database.number(versions).await, 2);
}

async fn a_run_gets_the_most_specific_settings(app: TestApp) {
    let settings = json!([
        {"aws": role("all")},
        {"project": "website", "aws": role("website")},
        {"project": "website", "operation": "preview", "aws": role("reader")},
    ]);
    save(&app, 0, settings).await;
    let run = app.start_run(&json!({})).await;
    assert_eq!(run["cloud"], json!({"aws": role("website")}));
    let variable = run["environment"]["RUNMINT_CLOUD_SETTINGS"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(variable).unwrap(), run["cloud"]);
    let preview = json!({"attributes": {"project": "website", "stack": "staging", "operation": "preview"}});
    assert_eq!(app.start_run(&preview).await["cloud"], json!({"aws": role("reader")}));
    let shop = json!({"attributes": {"project": "shop", "stack": "staging", "operation": "preview"}});
    assert_eq!(app.start_run(&shop).await["cloud"], json!({"aws": role("all")}));
    let previewed = app.post_ok(&app.viewer, &format!("{RUNS}/preview"), &update()).await;
    assert_eq!(previewed["cloud"], run["cloud"]);
}

async fn a_run_keeps_the_settings_with_which_it_started(app: TestApp) {
    let before = app.start_run(&json!({})).await;
    assert_eq!(before["cloud"], json!({}));
    assert!(before["environment"].get("RUNMINT_CLOUD_SETTINGS").is_none());
    save(&app, 0, json!([{"aws": role("first")}])).await;
    let run = app.start_run(&json!({})).await;
    save(&app, 1, json!([{"aws": role("second")}])).await;
    for (run, cloud) in [(before, json!({})), (run, json!({"aws": role("first")}))] {
        let path = format!("/api/runs/{}", run["id"].as_str().unwrap());
        assert_eq!(app.get(&app.viewer, &path).await.ok()["cloud"], cloud);
    }
}

async fn invalid_settings_are_refused(app: TestApp) {
    let mut twice = role("a").to_string();
    twice.insert_str(twice.len() - 1, r#","roleArn":"arn:aws:iam::123456789012:role/b""#);
    let mut details = Vec::new();
    for settings in [
        json!([{"aws": role("a b")}]),
        json!([{"aws": role("a")}, {"aws": role("b")}]),
        json!([{"operation": "previw", "aws": role("a")}]),
        json!([{"stack": "prod", "aws": role("a")}]),
        json!([{"project": "website"}]),
        json!([{"oracle": {}}]),
        json!([{"gcp": {"projectId": "acme-prod", "workloadPoolId": "pool", "providerId": "provider"}}]),
    ] {
        let body = json!({"version": 0, "settings": settings});
        let detail = app.put(&app.owner, PATH, &body).await.problem(422, "invalid-input");
        details.push(detail);
    }
    assert_snapshot!(details.join("\n"), @"
    The body does not have the expected form: `arn:aws:iam::123456789012:role/a b` is not an ARN of an IAM role (`arn:aws:iam::123456789012:role/NAME`) at line 1 column 80.
    Settings[1]: applies to the same runs as settings[0]: merge the two entries.
    Settings[0]: no service has the operation `previw`.
    Settings[0]: `stack` needs `project`.
    Settings[0]: no cloud is configured: set `aws`, `azure` or `gcp`.
    The body does not have the expected form: unknown field `oracle`, expected one of `project`, `stack`, `operation`, `aws`, `azure`, `gcp` at line 1 column 34.
    The body does not have the expected form: `acme-prod` is not a project number: the digits in `projectNumber` of `gcloud projects describe` at line 1 column 56.
    ");
    let body = format!(r#"{{"version": 0, "settings": [{{"aws": {twice}}}]}}"#);
    let url = format!("{}{PATH}", app.base_url);
    let request =
        app.http.put(url).bearer_auth(&app.owner).header("content-type", "application/json").body(body);
    assert_eq!(request.send().await.unwrap().status(), 422, "which of the two would count?");
    assert_eq!(app.get(&app.viewer, PATH).await.ok()["version"], 0);
}

async fn of_two_concurrent_saves_one_gets_a_conflict(app: TestApp) {
    let replica = app.replica().await;
    let body = |role_name: &str| json!({"version": 0, "settings": [{"aws": role(role_name)}]});
    let (first, second) = (body("first"), body("second"));
    let (one, other) =
        tokio::join!(app.put(&app.owner, PATH, &first), replica.put(&app.owner, PATH, &second));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    for version in [0, 2, -1, i64::MAX] {
        let body = json!({"version": version, "settings": []});
        app.put(&app.owner, PATH, &body).await.problem(409, "conflict");
    }
    assert_eq!(app.get(&app.viewer, PATH).await.ok()["version"], 1);
}

/// Tokens of teams and users have the role orchestrator too.
async fn an_orchestrator_reads_settings_but_cannot_change_them(app: TestApp) {
    let mut details = Vec::new();
    for path in [PATH, "/api/orgs/acme/audience-profiles"] {
        for token in [&app.viewer, &app.orchestrator] {
            let body = json!({"version": 0, "settings": [], "profiles": {}});
            details.push(app.put(token, path, &body).await.problem(403, "forbidden"));
        }
        assert_eq!(app.get(&app.orchestrator, path).await.ok()["version"], 0);
    }
    assert_snapshot!(details.join("\n"), @"
    This needs an access token of role owner; this one is viewer.
    This needs an access token of role owner; this one is orchestrator.
    This needs an access token of role owner; this one is viewer.
    This needs an access token of role owner; this one is orchestrator.
    ");
}
