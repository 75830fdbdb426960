//! Orchestrators register, follow and end runs.

use insta::assert_snapshot;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{TestApp, on_both_engines};

on_both_engines![
    registering_a_run_returns_all_that_its_runner_needs,
    a_run_is_shown_without_its_secret,
    ending_a_run_is_final_and_repeatable,
    preview_shows_what_a_run_would_get_and_registers_nothing,
    a_subject_that_is_too_long_is_refused_at_registration,
    refuses_an_invalid_run,
    control_characters_in_attributes_are_kept_and_encoded,
    lists_are_filtered_and_paged,
    deadlines_are_bounded,
];

const RUNS: &str = "/api/orgs/acme/runs";

fn deploy(attributes: Value) -> Value {
    json!({"service": "deploy", "attributes": attributes})
}

fn website(operation: &str) -> Value {
    deploy(json!({"project": "website", "stack": "staging", "operation": operation}))
}

async fn registering_a_run_returns_all_that_its_runner_needs(app: TestApp) {
    let body = json!({
        "service": "deploy",
        "attributes": {"project": "website", "stack": "staging", "operation": "preview"},
        "ttl_seconds": 600,
        "audiences": ["acme", "vault"],
    });
    let answer = app.post(&app.orchestrator, RUNS, &body).await;
    assert_snapshot!(answer.shown(), @r#"
    201 Created
    content-type: application/json
    location: http://127.0.0.1:8080/api/runs/019b7ca9-8c88-7160-869f-01d170de387e
    cache-control: no-store
    x-content-type-options: nosniff
    {
      "id": "019b7ca9-8c88-7160-869f-01d170de387e",
      "organization": "acme",
      "service": "deploy",
      "state": "active",
      "attributes": {
        "operation": "preview",
        "project": "website",
        "stack": "staging"
      },
      "audiences": [
        "acme",
        "vault"
      ],
      "cloud": {},
      "origin": null,
      "created_at": "2026-01-02T03:04:05Z",
      "expires_at": "2026-01-02T03:14:05Z",
      "ended_at": null,
      "subject": "runmint:deploy:org:acme:project:website:stack:staging:operation:preview:scope:read",
      "claims": {
        "iss": "http://127.0.0.1:8080/oidc",
        "aud": "acme",
        "sub": "runmint:deploy:org:acme:project:website:stack:staging:operation:preview:scope:read",
        "org": "acme",
        "org_id": "019b7ca9-8c88-705d-aa4b-8acf76748aa2",
        "project": "website",
        "stack": "staging",
        "operation": "preview",
        "scope": "read",
        "run_id": "019b7ca9-8c88-7160-869f-01d170de387e"
      },
      "request_url": "http://127.0.0.1:8080/api/runs/019b7ca9-8c88-7160-869f-01d170de387e/id-token?api-version=1",
      "request_token": "rmrt_WglOZEELQZFmm5ermtXomVgyRpZ4Ggls50vrr8Fh4EE2GtKru",
      "environment": {
        "ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:8080/api/runs/019b7ca9-8c88-7160-869f-01d170de387e/id-token?api-version=1",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "rmrt_WglOZEELQZFmm5ermtXomVgyRpZ4Ggls50vrr8Fh4EE2GtKru",
        "RUNMINT_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:8080/api/runs/019b7ca9-8c88-7160-869f-01d170de387e/id-token?api-version=1",
        "RUNMINT_ID_TOKEN_REQUEST_TOKEN": "rmrt_WglOZEELQZFmm5ermtXomVgyRpZ4Ggls50vrr8Fh4EE2GtKru",
        "RUNMINT_RUN_ID": "019b7ca9-8c88-7160-869f-01d170de387e",
        "RUNMINT_URL": "http://127.0.0.1:8080"
      }
    }
    "#);
}

async fn a_run_is_shown_without_its_secret(app: TestApp) {
    let mut started = app.start_run(&json!({})).await;
    let path = format!("/api/runs/{}", started["id"].as_str().unwrap());
    for secret in ["request_url", "request_token", "environment"] {
        started.as_object_mut().unwrap().remove(secret);
    }
    assert_eq!(app.get(&app.viewer, &path).await.ok(), started);
    assert_eq!(app.get(&app.viewer, RUNS).await.ok(), json!({"runs": [started], "next_cursor": null}));
}

async fn ending_a_run_is_final_and_repeatable(app: TestApp) {
    for (ending, state, other) in [("finish", "finished", "cancel"), ("cancel", "cancelled", "finish")] {
        let run = app.start_run(&json!({})).await;
        let path = |end: &str| format!("/api/runs/{}/{end}", run["id"].as_str().unwrap());
        app.clock.advance(SignedDuration::from_secs(10));
        let ended = app.post_ok(&app.orchestrator, &path(ending), &Value::Null).await;
        assert_eq!(ended["state"], state);
        let ended_at = ended["ended_at"].clone();
        assert!(ended_at.is_string());
        app.clock.advance(SignedDuration::from_secs(10));
        let again = app.post_ok(&app.orchestrator, &path(ending), &Value::Null).await;
        assert_eq!((&again["state"], &again["ended_at"]), (&json!(state), &ended_at));
        app.post(&app.orchestrator, &path(other), &Value::Null).await.problem(409, "conflict");
    }
    let run = app.start_run(&json!({"ttl_seconds": 60})).await;
    app.clock.advance(SignedDuration::from_secs(60));
    let path = format!("/api/runs/{}", run["id"].as_str().unwrap());
    let expired = app.get(&app.viewer, &path).await.ok();
    assert_eq!((&expired["state"], &expired["ended_at"]), (&json!("expired"), &run["expires_at"]));
    app.post(&app.orchestrator, &format!("{path}/finish"), &Value::Null).await.problem(409, "conflict");
}

async fn preview_shows_what_a_run_would_get_and_registers_nothing(app: TestApp) {
    let run = app.start_run(&json!({})).await;
    let path = format!("{RUNS}/preview");
    let answer = app.post(&app.viewer, &path, &website("update")).await;
    assert_snapshot!(answer.shown(), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store
    x-content-type-options: nosniff
    {
      "subject_bytes": 82,
      "limits": [
        {
          "relying_party": "runmint",
          "what": "subject, bytes",
          "limit": 255,
          "actual": 82,
          "ok": true,
          "advice": null
        },
        {
          "relying_party": "google",
          "what": "google.subject, bytes",
          "limit": 127,
          "actual": 82,
          "ok": true,
          "advice": null
        },
        {
          "relying_party": "aws",
          "what": "subject, characters",
          "limit": 255,
          "actual": 82,
          "ok": true,
          "advice": null
        },
        {
          "relying_party": "azure",
          "what": "subject of a federated identity credential, characters",
          "limit": 600,
          "actual": 82,
          "ok": true,
          "advice": null
        },
        {
          "relying_party": "google",
          "what": "audience, characters",
          "limit": 256,
          "actual": 4,
          "ok": true,
          "advice": null
        },
        {
          "relying_party": "aws, azure, google",
          "what": "issuer is https",
          "limit": null,
          "actual": null,
          "ok": false,
          "advice": "Clouds fetch the discovery document over https from outside. Use an http issuer on loopback for trials only."
        }
      ],
      "cloud": {},
      "subject": "runmint:deploy:org:acme:project:website:stack:staging:operation:update:scope:write",
      "claims": {
        "iss": "http://127.0.0.1:8080/oidc",
        "aud": "acme",
        "sub": "runmint:deploy:org:acme:project:website:stack:staging:operation:update:scope:write",
        "org": "acme",
        "org_id": "019b7ca9-8c88-705d-aa4b-8acf76748aa2",
        "project": "website",
        "stack": "staging",
        "operation": "update",
        "scope": "write"
      }
    }
    "#);
    let preview = answer.ok();
    assert_eq!(preview["subject"], run["subject"]);
    let mut claims = run["claims"].clone();
    claims.as_object_mut().unwrap().remove("run_id");
    assert_eq!(preview["claims"], claims);
    let broken = |preview: &Value| -> Vec<String> {
        let limits = preview["limits"].as_array().unwrap().iter();
        limits.filter(|one| one["ok"] == false).map(|one| one["what"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(broken(&preview), ["issuer is https"]);

    let long = deploy(json!({"project": "p".repeat(200), "stack": "s", "operation": "update"}));
    let preview = app.post_ok(&app.viewer, &path, &long).await;
    assert!(preview["subject_bytes"].as_u64().unwrap() > 255);
    assert_snapshot!(broken(&preview).join("\n"), @"
    subject, bytes
    google.subject, bytes
    subject, characters
    issuer is https
    ");
    assert_eq!(app.database.number("SELECT COUNT(*) FROM runs").await, 1);
    app.post(&app.viewer, &path, &website("deploy")).await.problem(422, "invalid-input");
}

async fn a_subject_that_is_too_long_is_refused_at_registration(app: TestApp) {
    // The fixed parts take 71 bytes with this stack and operation.
    let body =
        |project: usize| deploy(json!({"project": "p".repeat(project), "stack": "s", "operation": "update"}));
    let fixed = app.post_ok(&app.viewer, &format!("{RUNS}/preview"), &body(1)).await["subject_bytes"]
        .as_u64()
        .unwrap()
        - 1;
    let fits = usize::try_from(255 - fixed).unwrap();
    assert_eq!(
        app.post_ok(&app.orchestrator, RUNS, &body(fits)).await["subject"].as_str().unwrap().len(),
        255
    );
    let detail = app.post(&app.orchestrator, RUNS, &body(fits + 1)).await.problem(422, "invalid-input");
    assert_snapshot!(detail, @"The subject has 256 bytes, and clouds accept 255 at most: use shorter names (`preview` shows the subject).");
}

async fn refuses_an_invalid_run(app: TestApp) {
    let with = |name: &str, value: Value| {
        let mut body = website("update");
        body[name] = value;
        body
    };
    let attribute = |name: &str, value: Value| {
        let mut body = website("update");
        body["attributes"][name] = value;
        body
    };
    let long = json!(["a".repeat(257)]);
    let mut details = Vec::new();
    for body in [
        with("service", json!("unknown")),
        with("surprise", json!(1)),
        with("ttl_seconds", json!(59)),
        with("ttl_seconds", json!(86_401)),
        with("ttl_seconds", json!("3600")),
        with("ttl_seconds", json!(1.5)),
        with("audiences", json!([])),
        with("audiences", json!(vec!["a"; 17])),
        with("audiences", json!([""])),
        with("audiences", json!([" a"])),
        with("audiences", json!(["a\u{0}"])),
        with("audiences", long),
        with("attributes", json!({})),
        with("attributes", json!([])),
        attribute("scope", json!("read")),
        attribute("stack", json!("")),
        attribute("stack", json!(7)),
        attribute("stack", json!(" s")),
        attribute("operation", json!("UPDATE")),
        attribute("stack", json!("s".repeat(256))),
    ] {
        details.push(app.post(&app.orchestrator, RUNS, &body).await.problem(422, "invalid-input"));
    }
    assert_snapshot!(details.join("\n"), @r#"
    There is no service `unknown`; there are: deploy, environment.
    The body does not have the expected form: unknown field `surprise`, expected one of `service`, `attributes`, `ttl_seconds`, `audiences` at line 1 column 104.
    ttl_seconds is 60 to 86400, not 59.
    ttl_seconds is 60 to 86400, not 86401.
    The body does not have the expected form: invalid type: string "3600", expected a whole number at line 1 column 114.
    The body does not have the expected form: invalid type: floating point `1.5`, expected a whole number at line 1 column 111.
    Audiences has 1 to 16 entries, or is absent for a run that may ask for any.
    Audiences has 1 to 16 entries, or is absent for a run that may ask for any.
    Audiences: an audience must not be empty.
    Audiences: an audience must have no control characters and no white space at its ends.
    Audiences: an audience must have no control characters and no white space at its ends.
    Audiences: an audience has at most 256 bytes, this one has 257.
    Attribute `project` is missing.
    The body does not have the expected form: invalid type: sequence, expected an object of strings at line 1 column 33.
    Attribute `scope` is not one of this service's attributes: project, stack, operation, deployment, actor, actor_id.
    Attribute `stack` is empty.
    The body does not have the expected form: invalid type: integer `7`, expected a string at line 1 column 63.
    Attribute `stack` has white space at its beginning or end.
    Attribute `operation` must be one of preview, update, refresh, destroy, not `UPDATE`.
    Attribute `stack` has 256 bytes; at most 255 are accepted.
    "#);
    let request = app.http.post(format!("{}{RUNS}", app.base_url)).bearer_auth(&app.orchestrator);
    let doubled =
        r#"{"service":"deploy","attributes":{"project":"a","project":"b","stack":"s","operation":"update"}}"#;
    let request = request.header("content-type", "application/json").body(doubled);
    let answer = crate::harness::Answer::read(request.send().await.unwrap()).await;
    assert_snapshot!(answer.shown(), @r#"
    422 Unprocessable Entity
    content-type: application/problem+json
    cache-control: no-store
    x-content-type-options: nosniff
    {
      "type": "urn:runmint:problem:invalid-input",
      "title": "Invalid input",
      "status": 422,
      "detail": "The body does not have the expected form: `project` appears twice at line 1 column 61."
    }
    "#);
    assert_eq!(app.database.number("SELECT COUNT(*) FROM runs").await, 0);
}

async fn control_characters_in_attributes_are_kept_and_encoded(app: TestApp) {
    let body = deploy(json!({"project": "a\u{0}b", "stack": "x:stack:prod", "operation": "update"}));
    let run = app.post_ok(&app.orchestrator, RUNS, &body).await;
    assert_eq!(
        run["subject"],
        "runmint:deploy:org:acme:project:a%00b:stack:x%3Astack%3Aprod:operation:update:scope:write"
    );
    let shown = app.get(&app.viewer, &format!("/api/runs/{}", run["id"].as_str().unwrap())).await.ok();
    assert_eq!(shown["claims"]["project"], "a\u{0}b");
    app.mint(&run, "").await;
}

async fn lists_are_filtered_and_paged(app: TestApp) {
    let mut ids = Vec::new();
    for operation in ["preview", "update", "refresh", "destroy", "update"] {
        let run = app.post_ok(&app.orchestrator, RUNS, &website(operation)).await;
        ids.insert(0, run["id"].as_str().unwrap().to_owned());
        app.clock.advance(SignedDuration::from_secs(1));
    }
    let environment = json!({"service": "environment", "attributes": {"project": "web", "environment": "prod"}, "ttl_seconds": 60});
    let environment =
        app.post_ok(&app.orchestrator, RUNS, &environment).await["id"].as_str().unwrap().to_owned();
    app.post_ok(&app.orchestrator, &format!("/api/runs/{}/finish", ids[0]), &Value::Null).await;
    app.clock.advance(SignedDuration::from_secs(60));

    let listed = async |query: &str| -> Vec<String> {
        let list = app.get(&app.viewer, &format!("{RUNS}?{query}")).await.ok();
        list["runs"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed("service=environment").await, std::slice::from_ref(&environment));
    assert_eq!(listed("service=nothing").await, Vec::<String>::new());
    assert_eq!(listed("state=finished").await, [ids[0].clone()]);
    assert_eq!(listed("state=expired").await, std::slice::from_ref(&environment));
    assert_eq!(listed("state=active&service=deploy").await, ids[1..]);
    let subject =
        "subject=runmint:deploy:org:acme:project:website:stack:staging:operation:update:scope:write";
    assert_eq!(listed(subject).await, [ids[0].clone(), ids[3].clone()]);

    let mut walked = Vec::new();
    let mut query = "limit=2&service=deploy".to_owned();
    loop {
        let page = app.get(&app.viewer, &format!("{RUNS}?{query}")).await.ok();
        walked.extend(
            page["runs"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("limit=2&service=deploy&cursor={cursor}");
    }
    assert_eq!(walked, ids);
    for bad in [
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=x",
        "state=done",
        "service=%00",
        "subject=%00",
        "x=1",
        "limit=1&limit=2",
    ] {
        app.get(&app.viewer, &format!("{RUNS}?{bad}")).await.problem(400, "bad-request");
    }
}

async fn deadlines_are_bounded(app: TestApp) {
    let run = app.start_run(&json!({"ttl_seconds": null, "audiences": null})).await;
    assert_eq!(run["expires_at"], "2026-01-02T04:04:05Z");
    assert_eq!(run["audiences"], Value::Null);
    let run = app.start_run(&json!({"ttl_seconds": 86_400})).await;
    assert_eq!(run["expires_at"], "2026-01-03T03:04:05Z");
    let answer = app.send(Method::PUT, &app.orchestrator, RUNS, &Value::Null).await;
    answer.problem(405, "method-not-allowed");
    assert!(answer.header("allow").contains("POST"), "{}", answer.header("allow"));
}
