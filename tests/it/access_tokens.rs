//! Creating, listing, showing and revoking access tokens.

use insta::assert_snapshot;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{TestApp, on_both_engines};

on_both_engines![
    creating_a_token_shows_its_secret_once,
    an_admin_token_belongs_to_no_organization,
    the_secret_is_stored_nowhere,
    an_organizations_token_can_have_each_role_except_admin,
    refuses_an_invalid_token_request,
    an_expiry_is_between_a_minute_and_a_year_away,
    revoking_is_final_and_repeatable,
    lists_are_separate_and_paged_newest_first,
];

const TOKENS: &str = "/api/orgs/acme/access-tokens";
const ADMIN_TOKENS: &str = "/api/access-tokens";

fn path(token: &Value) -> String {
    format!("{ADMIN_TOKENS}/{}", token["id"].as_str().unwrap())
}

async fn creating_a_token_shows_its_secret_once(app: TestApp) {
    let body =
        json!({"name": "deployments of the website ✓", "role": "orchestrator", "expires_in_seconds": 3600});
    let answer = app.post(&app.owner, TOKENS, &body).await;
    assert_snapshot!(answer.shown(), @r#"
    201 Created
    content-type: application/json
    location: http://127.0.0.1:8080/api/access-tokens/019b7ca9-8c88-78e8-aabd-f40060539017
    cache-control: no-store
    x-content-type-options: nosniff
    {
      "id": "019b7ca9-8c88-78e8-aabd-f40060539017",
      "name": "deployments of the website ✓",
      "role": "orchestrator",
      "organization": "acme",
      "holder": null,
      "origin": null,
      "created_at": "2026-01-02T03:04:05Z",
      "expires_at": "2026-01-02T04:04:05Z",
      "last_used_at": null,
      "revoked_at": null,
      "access_token": "rmat_5YCZ1Noau2EIJiaSWglOZEELQZFmm5ermtXomVgyRpZ14bSa5"
    }
    "#);
    let mut made = answer.json();
    let secret = made.as_object_mut().unwrap().remove("access_token").unwrap();
    let secret = secret.as_str().unwrap();
    assert_eq!(app.get(&app.owner, &path(&made)).await.ok(), made);
    app.get(secret, "/api/orgs/acme/runs").await.ok();
    for path in [path(&made), TOKENS.to_owned()] {
        let answer = app.get(&app.owner, &path).await;
        answer.ok();
        assert!(!answer.text.contains(&secret[5..15]) && !answer.text.contains("rmat_"), "{path}");
        assert!(!answer.text.contains("hash"), "{path}");
    }
}

async fn an_admin_token_belongs_to_no_organization(app: TestApp) {
    let answer = app.post(&app.admin, ADMIN_TOKENS, &json!({"name": "second"})).await;
    assert_snapshot!(answer.shown(), @r#"
    201 Created
    content-type: application/json
    location: http://127.0.0.1:8080/api/access-tokens/019b7ca9-8c88-78e8-aabd-f40060539017
    cache-control: no-store
    x-content-type-options: nosniff
    {
      "id": "019b7ca9-8c88-78e8-aabd-f40060539017",
      "name": "second",
      "role": "admin",
      "organization": null,
      "holder": null,
      "origin": null,
      "created_at": "2026-01-02T03:04:05Z",
      "expires_at": null,
      "last_used_at": null,
      "revoked_at": null,
      "access_token": "rmat_5YCZ1Noau2EIJiaSWglOZEELQZFmm5ermtXomVgyRpZ14bSa5"
    }
    "#);
    let made = answer.json();
    let second = made["access_token"].as_str().unwrap();
    app.post_ok(second, "/api/orgs", &json!({"name": "globex"})).await;
    let body = json!({"name": "a role of its own", "role": "owner"});
    assert_snapshot!(app.post(&app.admin, ADMIN_TOKENS, &body).await.shown(), @r#"
    422 Unprocessable Entity
    content-type: application/problem+json
    cache-control: no-store
    x-content-type-options: nosniff
    {
      "type": "urn:runmint:problem:invalid-input",
      "title": "Invalid input",
      "status": 422,
      "detail": "The body does not have the expected form: unknown field `role`, expected `name` or `expires_in_seconds` at line 1 column 34."
    }
    "#);
}

async fn the_secret_is_stored_nowhere(app: TestApp) {
    let run = app.start_run(&json!({})).await;
    app.mint(&run, "").await;
    let secrets = [&app.admin, &app.owner, &app.viewer, run["request_token"].as_str().unwrap()];
    for (table, columns) in [
        ("access_tokens", "id || hash || name || role"),
        ("runs", "id || attributes || subject || claims || request_token_hash"),
        ("id_tokens", "jti || audience || subject || kid || caller"),
    ] {
        for secret in secrets {
            let random = &secret[5..25];
            let sql = format!("SELECT COUNT(*) FROM {table} WHERE {columns} LIKE '%{random}%'");
            assert_eq!(app.database.number(&sql).await, 0, "{table}");
        }
    }
    let hashes = "SELECT COUNT(*) FROM access_tokens WHERE LENGTH(hash) = 64";
    assert_eq!(app.database.number(hashes).await, 4);
}

async fn an_organizations_token_can_have_each_role_except_admin(app: TestApp) {
    for role in ["owner", "orchestrator", "viewer"] {
        let made = app.post_ok(&app.owner, TOKENS, &json!({"name": "t", "role": role})).await;
        assert_eq!((&made["role"], &made["organization"]), (&json!(role), &json!("acme")));
    }
    for token in [&app.owner, &app.admin] {
        for role in [
            json!("admin"),
            json!("Owner"),
            json!("OWNER"),
            json!(" owner"),
            json!(""),
            json!(null),
            json!(3),
            json!(["owner"]),
            json!({"owner": null}),
        ] {
            let answer = app.post(token, TOKENS, &json!({"name": "t", "role": role})).await;
            assert_eq!(answer.status, 422, "{role}");
            answer.problem(422, "invalid-input");
        }
    }
}

async fn refuses_an_invalid_token_request(app: TestApp) {
    let long = "é".repeat(101);
    for name in ["", "a\0", "a\n", "\u{1b}[31m", "\u{7f}", &long] {
        let body = json!({"name": name, "role": "viewer"});
        let detail = app.post(&app.owner, TOKENS, &body).await.problem(422, "invalid-input");
        assert_snapshot!(detail, @"Name has 1 to 100 characters, none of them a control character.");
        app.post(&app.admin, ADMIN_TOKENS, &json!({"name": name})).await.problem(422, "invalid-input");
    }
    let mut details = Vec::new();
    for body in [
        json!({"name": "t"}),
        json!({"role": "viewer"}),
        json!({"name": null, "role": "viewer"}),
        json!({"name": "t", "role": "viewer", "organization": "globex"}),
        json!({"name": "t", "role": "viewer", "access_token": "rmat_mine"}),
        json!(["t", "viewer"]),
        json!(null),
    ] {
        let request = app.http.post(format!("{}{TOKENS}", app.base_url)).bearer_auth(&app.owner).json(&body);
        let answer = crate::harness::Answer::read(request.send().await.unwrap()).await;
        details.push(answer.problem(422, "invalid-input"));
    }
    assert_snapshot!(details.join("\n"), @"
    The body does not have the expected form: missing field `role` at line 1 column 12.
    The body does not have the expected form: missing field `name` at line 1 column 17.
    The body does not have the expected form: invalid type: null, expected a string at line 1 column 12.
    The body does not have the expected form: unknown field `organization`, expected one of `name`, `role`, `expires_in_seconds` at line 1 column 42.
    The body does not have the expected form: unknown field `access_token`, expected one of `name`, `role`, `expires_in_seconds` at line 1 column 42.
    The body must be a JSON object.
    The body must be a JSON object.
    ");
    let body = json!({"name": "é".repeat(100), "role": "viewer"});
    assert_eq!(app.post(&app.owner, TOKENS, &body).await.status, 201);
    assert_eq!(app.database.number("SELECT COUNT(*) FROM access_tokens").await, 5);
}

async fn an_expiry_is_between_a_minute_and_a_year_away(app: TestApp) {
    let with = |seconds: Value| json!({"name": "t", "role": "viewer", "expires_in_seconds": seconds});
    for (seconds, expires_at) in [
        (json!(60), json!("2026-01-02T03:05:05Z")),
        (json!(31_536_000), json!("2027-01-02T03:04:05Z")),
        (json!(null), json!(null)),
    ] {
        assert_eq!(app.post_ok(&app.owner, TOKENS, &with(seconds)).await["expires_at"], expires_at);
    }
    for seconds in
        [json!(0), json!(-1), json!(59), json!(31_536_001), json!(i64::MAX), json!(i64::MIN), json!(u64::MAX)]
    {
        app.post(&app.owner, TOKENS, &with(seconds)).await.problem(422, "invalid-input");
    }
    for seconds in [json!("3600"), json!(60.5), json!(3600.0), json!(true), json!([60])] {
        app.post(&app.owner, TOKENS, &with(seconds)).await.problem(422, "invalid-input");
    }
    let admin = json!({"name": "t", "expires_in_seconds": 59});
    let detail = app.post(&app.admin, ADMIN_TOKENS, &admin).await.problem(422, "invalid-input");
    assert_snapshot!(detail, @"expires_in_seconds is 60 to 31536000, or absent for a token without an end.");
}

async fn revoking_is_final_and_repeatable(app: TestApp) {
    app.clock.advance(SignedDuration::from_secs(1));
    let made = app.post_ok(&app.owner, TOKENS, &json!({"name": "t", "role": "viewer"})).await;
    for _ in 0..2 {
        app.clock.advance(SignedDuration::from_secs(1));
        let answer = app.delete(&app.owner, &path(&made)).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
        // The first revocation counts.
        assert_eq!(app.get(&app.owner, &path(&made)).await.ok()["revoked_at"], "2026-01-02T03:04:07Z");
    }
    app.get(made["access_token"].as_str().unwrap(), "/api/orgs").await.problem(401, "unauthorized");
    // The token stays listed, so that operators can see what existed.
    assert_snapshot!(app.get(&app.owner, TOKENS).await.shown(), @r#"
    200 OK
    content-type: application/json
    cache-control: no-store
    x-content-type-options: nosniff
    {
      "access_tokens": [
        {
          "id": "019b7ca9-9070-78e8-aabd-f40060539017",
          "name": "t",
          "role": "viewer",
          "organization": "acme",
          "holder": null,
          "origin": null,
          "created_at": "2026-01-02T03:04:06Z",
          "expires_at": null,
          "last_used_at": null,
          "revoked_at": "2026-01-02T03:04:07Z"
        },
        {
          "id": "019b7ca9-8c88-7d8f-94d1-0efdf17eac06",
          "name": "a test's owner",
          "role": "owner",
          "organization": "acme",
          "holder": null,
          "origin": null,
          "created_at": "2026-01-02T03:04:05Z",
          "expires_at": null,
          "last_used_at": "2026-01-02T03:04:06Z",
          "revoked_at": null
        },
        {
          "id": "019b7ca9-8c88-7d2c-875a-68e2ac651ce0",
          "name": "a test's orchestrator",
          "role": "orchestrator",
          "organization": "acme",
          "holder": null,
          "origin": null,
          "created_at": "2026-01-02T03:04:05Z",
          "expires_at": null,
          "last_used_at": null,
          "revoked_at": null
        },
        {
          "id": "019b7ca9-8c88-7381-9059-bf1f823cb2ff",
          "name": "a test's viewer",
          "role": "viewer",
          "organization": "acme",
          "holder": null,
          "origin": null,
          "created_at": "2026-01-02T03:04:05Z",
          "expires_at": null,
          "last_used_at": null,
          "revoked_at": null
        }
      ],
      "next_cursor": null
    }
    "#);
    for id in ["01a1fdb7-5bf9-7f1c-8400-f05e3b351a57", "x", "%00"] {
        app.delete(&app.admin, &format!("{ADMIN_TOKENS}/{id}")).await.problem(404, "not-found");
    }
}

async fn lists_are_separate_and_paged_newest_first(app: TestApp) {
    app.post_ok(&app.admin, "/api/orgs", &json!({"name": "globex"})).await;
    app.make_token("globex", "owner").await;
    for number in 0..4 {
        app.clock.advance(SignedDuration::from_millis(1));
        let body = json!({"name": format!("t{number}"), "role": "viewer"});
        app.post_ok(&app.owner, TOKENS, &body).await;
        app.post_ok(&app.admin, ADMIN_TOKENS, &json!({"name": format!("a{number}")})).await;
    }
    for (token, list, newest, count) in [
        (&app.owner, TOKENS, ["t3", "t2", "t1", "t0"], 7),
        (&app.admin, ADMIN_TOKENS, ["a3", "a2", "a1", "a0"], 5),
    ] {
        let all = app.get(token, list).await.ok();
        let all = all["access_tokens"].as_array().unwrap().clone();
        assert_eq!(all.len(), count);
        let names: Vec<&str> = all.iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names[..4], newest);
        let (mut walked, mut query) = (Vec::new(), "limit=3".to_owned());
        loop {
            let page = app.get(token, &format!("{list}?{query}")).await.ok();
            walked.extend(page["access_tokens"].as_array().unwrap().clone());
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            query = format!("limit=3&cursor={cursor}");
        }
        assert_eq!(walked.len(), count);
        assert_eq!(
            walked.iter().map(|one| &one["id"]).collect::<Vec<_>>(),
            all.iter().map(|one| &one["id"]).collect::<Vec<_>>()
        );
        for bad in ["limit=0", "limit=201", "cursor=x", "role=owner", "limit=1&limit=2"] {
            app.get(token, &format!("{list}?{bad}")).await.problem(400, "bad-request");
        }
    }
    // Each list shows only its own tokens.
    let organizations = |list: &Value| -> Vec<Value> {
        list["access_tokens"].as_array().unwrap().iter().map(|one| one["organization"].clone()).collect()
    };
    assert!(organizations(&app.get(&app.owner, TOKENS).await.ok()).iter().all(|one| one == "acme"));
    assert!(organizations(&app.get(&app.admin, ADMIN_TOKENS).await.ok()).iter().all(Value::is_null));
}
