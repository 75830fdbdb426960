//! Creating, listing, showing and deleting tenants.

use insta::assert_snapshot;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{Answer, TestApp, on_both_engines};

on_both_engines![
    an_organization_is_created_shown_and_listed,
    refuses_an_invalid_name,
    refuses_a_name_that_is_taken,
    of_many_concurrent_claims_to_a_name_one_succeeds,
    a_deleted_name_is_never_reused,
    deletion_ends_only_the_organizations_own_runs_and_tokens,
    deletion_ends_a_run_registered_meanwhile,
    lists_are_paged_newest_first,
    a_token_of_one_organization_sees_only_that_one,
];

const ORGS: &str = "/api/orgs";

async fn make(app: &TestApp, name: &str) -> Answer {
    app.post(&app.admin, ORGS, &json!({"name": name})).await
}

async fn names(app: &TestApp, token: &str, query: &str) -> Vec<String> {
    let list = app.get(token, &format!("{ORGS}{query}")).await.ok();
    let listed = list["organizations"].as_array().unwrap().iter();
    listed.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

async fn an_organization_is_created_shown_and_listed(app: TestApp) {
    app.clock.advance(SignedDuration::from_secs(1));
    let answer = make(&app, "globex-2").await;
    assert_snapshot!(answer.shown(), @r#"
    201 Created
    content-type: application/json
    location: http://127.0.0.1:8080/api/orgs/globex-2
    cache-control: no-store
    x-content-type-options: nosniff
    {
      "id": "019b7ca9-9070-7160-869f-01d170de387e",
      "name": "globex-2",
      "created_at": "2026-01-02T03:04:06Z",
      "issuer": "http://127.0.0.1:8080/oidc",
      "algorithm": "RS256"
    }
    "#);
    let made = answer.json();
    assert_eq!(app.get(&app.admin, "/api/orgs/globex-2").await.ok(), made);
    let acme = app.get(&app.viewer, "/api/orgs/acme").await.ok();
    let list = app.get(&app.admin, ORGS).await.ok();
    assert_eq!(list, json!({"organizations": [made, acme], "next_cursor": null}));
}

async fn refuses_an_invalid_name(app: TestApp) {
    let long = "a".repeat(64);
    let names = ["", "-a", "Acme", "a_b", "a.b", "a b", " a", "a:b", "a/b", "%61", "é", "a\0", "a\n", &long];
    for name in names {
        let detail = make(&app, name).await.problem(422, "invalid-input");
        assert_snapshot!(detail, @"An organization's name must be 1 to 63 lower-case letters, digits and hyphens, and must not begin with a hyphen.");
    }
    let mut details = Vec::new();
    for body in [
        json!({}),
        json!({"name": null}),
        json!({"name": 1}),
        json!({"name": ["a"]}),
        json!({"name": "a", "id": "01a1fdb7-5bf9-7f1c-8400-f05e3b351a57"}),
        json!({"Name": "a"}),
        json!(["a"]),
        json!("a"),
        json!(1),
    ] {
        details.push(app.post(&app.admin, ORGS, &body).await.problem(422, "invalid-input"));
    }
    assert_snapshot!(details.join("\n"), @"
    The body does not have the expected form: missing field `name` at line 1 column 2.
    The body does not have the expected form: invalid type: null, expected a string at line 1 column 12.
    The body does not have the expected form: invalid type: integer `1`, expected a string at line 1 column 9.
    The body does not have the expected form: invalid type: sequence, expected a string at line 1 column 8.
    The body does not have the expected form: unknown field `id`, expected one of `name`, `issuer`, `algorithm` at line 1 column 16.
    The body does not have the expected form: unknown field `Name`, expected one of `name`, `issuer`, `algorithm` at line 1 column 7.
    The body must be a JSON object.
    The body must be a JSON object.
    The body must be a JSON object.
    ");
    let longest = "a".repeat(63);
    for name in ["0", "a-", &longest] {
        assert_eq!(make(&app, name).await.status, 201, "{name}");
    }
    assert_eq!(app.database.number("SELECT COUNT(*) FROM organizations").await, 4);
}

async fn refuses_a_name_that_is_taken(app: TestApp) {
    let before = app.get(&app.admin, "/api/orgs/acme").await.ok();
    assert_snapshot!(make(&app, "acme").await.shown(), @r#"
    409 Conflict
    content-type: application/problem+json
    cache-control: no-store
    x-content-type-options: nosniff
    {
      "type": "urn:runmint:problem:conflict",
      "title": "Conflict",
      "status": 409,
      "detail": "The name `acme` is or was in use. Choose another: names are never reused, because cloud policies may still trust them."
    }
    "#);
    assert_eq!(app.get(&app.admin, "/api/orgs/acme").await.ok(), before);
}

async fn of_many_concurrent_claims_to_a_name_one_succeeds(mut app: TestApp) {
    let replica = app.replica().await;
    let (here, there) = (|| make(&app, "wanted"), || make(&replica, "wanted"));
    let answers: [Answer; 4] = tokio::join!(here(), there(), here(), there()).into();
    let mut statuses = answers.map(|answer| answer.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
    app.stop().await;
}

async fn a_deleted_name_is_never_reused(app: TestApp) {
    let answer = app.delete(&app.admin, "/api/orgs/acme").await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    app.clock.advance(SignedDuration::from_hours(24 * 365 * 5));
    make(&app, "acme").await.problem(409, "conflict");
    assert_eq!(names(&app, &app.admin, "").await, Vec::<String>::new());
    for path in ["/api/orgs/acme", "/api/orgs/acme/runs", "/api/orgs/acme/access-tokens"] {
        app.get(&app.admin, path).await.problem(404, "not-found");
    }
    app.delete(&app.admin, "/api/orgs/acme").await.problem(404, "not-found");
    let token = json!({"name": "late", "role": "owner"});
    app.post(&app.admin, "/api/orgs/acme/access-tokens", &token).await.problem(404, "not-found");
    // The record is kept: it shows who owned the name.
    assert_eq!(app.database.number("SELECT COUNT(*) FROM organizations WHERE name = 'acme'").await, 1);
}

async fn deletion_ends_only_the_organizations_own_runs_and_tokens(app: TestApp) {
    make(&app, "globex").await.ok();
    let globex = app.make_token("globex", "owner").await;
    let body = json!({
        "service": "deploy", "attributes": {"project": "p", "stack": "s", "operation": "update"},
    });
    let theirs = app.post_ok(&globex, "/api/orgs/globex/runs", &body).await;
    let (active, finished) = (app.start_run(&json!({})).await, app.start_run(&json!({})).await);
    let short = app.start_run(&json!({"ttl_seconds": 60})).await;
    let path = |run: &Value| format!("/api/runs/{}", run["id"].as_str().unwrap());
    app.post_ok(&app.orchestrator, &format!("{}/finish", path(&finished)), &Value::Null).await;
    app.clock.advance(SignedDuration::from_secs(90));

    assert_eq!(app.delete(&app.admin, "/api/orgs/acme").await.status, 204);
    for (run, state, ended_at) in [
        (&active, "cancelled", "2026-01-02T03:05:35Z"),
        (&finished, "finished", "2026-01-02T03:04:05Z"),
        (&short, "expired", "2026-01-02T03:05:05Z"),
    ] {
        let run = app.get(&app.admin, &path(run)).await.ok();
        assert_eq!((&run["state"], &run["ended_at"]), (&json!(state), &json!(ended_at)));
    }
    for run in [&active, &finished, &short] {
        app.ask(run, "").await.problem(403, "run-ended");
    }
    for token in [&app.viewer, &app.orchestrator, &app.owner] {
        app.get(token, ORGS).await.problem(401, "unauthorized");
    }
    let revoked = "SELECT COUNT(*) FROM access_tokens t JOIN organizations o ON o.id = t.organization_id
        WHERE t.revoked_at = o.deleted_at";
    assert_eq!(app.database.number(revoked).await, 3);
    assert_eq!(app.get(&globex, &path(&theirs)).await.ok()["state"], "active");
    app.mint(&theirs, "").await;
    app.get(&app.admin, "/api/access-tokens").await.ok();
}

/// A run was being registered while its organization was deleted.
async fn deletion_ends_a_run_registered_meanwhile(app: TestApp) {
    let (known, fresh) = (app.start_run(&json!({})).await, app.start_run(&json!({})).await);
    app.mint(&known, "").await;
    assert_eq!(app.delete(&app.admin, "/api/orgs/acme").await.status, 204);
    app.database.execute("UPDATE runs SET state = 'active', ended_at = NULL, ended_by = NULL").await;
    for run in [&known, &fresh] {
        app.ask(run, "").await.problem(403, "run-ended");
    }
    assert_eq!(app.database.number("SELECT COUNT(*) FROM id_tokens").await, 1);
}

async fn lists_are_paged_newest_first(app: TestApp) {
    let mut expected = vec!["acme".to_owned()];
    for number in 0..5 {
        app.clock.advance(SignedDuration::from_millis(1));
        let name = format!("org-{number}");
        make(&app, &name).await.ok();
        expected.insert(0, name);
    }
    assert_eq!(names(&app, &app.admin, "").await, expected);
    assert_eq!(names(&app, &app.admin, "?limit=6").await, expected);
    let (mut walked, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        walked.extend(names(&app, &app.admin, &query).await);
        let list = app.get(&app.admin, &format!("{ORGS}{query}")).await.ok();
        let Some(cursor) = list["next_cursor"].as_str() else { break };
        query = format!("?limit=2&cursor={cursor}");
    }
    assert_eq!(walked, expected);
    for bad in [
        "?limit=0",
        "?limit=201",
        "?limit=",
        "?limit=-1",
        "?limit=1&limit=1",
        "?cursor=",
        "?cursor=x",
        "?x=1",
    ] {
        app.get(&app.admin, &format!("{ORGS}{bad}")).await.problem(400, "bad-request");
    }
}

async fn a_token_of_one_organization_sees_only_that_one(app: TestApp) {
    make(&app, "globex").await.ok();
    for token in [&app.viewer, &app.orchestrator, &app.owner] {
        assert_eq!(names(&app, token, "").await, ["acme"]);
    }
    let globex = app.make_token("globex", "viewer").await;
    assert_eq!(names(&app, &globex, "").await, ["globex"]);
    // A cursor from another list does not work here.
    let list = app.get(&app.admin, "/api/orgs?limit=1").await.ok();
    let cursor = list["next_cursor"].as_str().unwrap();
    assert_eq!(names(&app, &globex, &format!("?cursor={cursor}")).await, [""; 0]);
}
