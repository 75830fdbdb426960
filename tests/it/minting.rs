//! Token requests of a run.

use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use reqwest::Method;
use runmint::clock::Clock;
use serde_json::{Value, json};

use crate::harness::{Answer, Engine, Setup, TestApp, on_both_engines, shown_json, verify};

on_both_engines![
    a_token_carries_what_the_orchestrator_attested,
    a_token_verifies_through_discovery,
    the_header_has_three_members,
    the_audience_defaults_to_the_organization,
    a_lifetime_may_be_requested_within_bounds,
    a_token_never_outlives_its_run_by_more_than_the_grace,
    every_token_is_recorded_before_it_is_sent,
    no_token_is_sent_if_it_cannot_be_recorded,
    an_ended_run_gets_no_token,
    a_run_past_its_deadline_gets_no_token,
    a_run_ended_on_another_replica_gets_no_token_here,
    a_deleted_organizations_runs_get_no_token,
    a_run_may_request_only_its_audiences,
    a_request_token_works_only_for_its_own_run,
    every_altered_request_token_gets_the_same_refusal,
    malformed_requests_get_no_token,
    head_mints_nothing,
    concurrent_requests_get_different_tokens,
];

fn decode(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The payload, unverified: tests compare it in full.
fn claims(token: &str) -> Value {
    decode(token.split('.').nth(1).unwrap())
}

fn second(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().as_second()
}

async fn a_token_carries_what_the_orchestrator_attested(app: TestApp) {
    let attributes = json!({
        "project": "website", "stack": "staging", "operation": "update",
        "deployment": "17", "actor": "alice", "actor_id": "u-1",
    });
    let run = app.start_run(&json!({"attributes": attributes})).await;
    let token = app.mint(&run, "").await;
    let claims = claims(&token);
    assert_snapshot!(shown_json(&claims), @r#"
    {
      "iss": "http://127.0.0.1:8080/oidc",
      "aud": "acme",
      "sub": "runmint:deploy:org:acme:project:website:stack:staging:operation:update:scope:write",
      "iat": 1767323045,
      "nbf": 1767322745,
      "exp": 1767326645,
      "jti": "019b7ca9-8c88-7f4a-9b0c-0b0bc764afec",
      "org": "acme",
      "org_id": "019b7ca9-8c88-705d-aa4b-8acf76748aa2",
      "project": "website",
      "stack": "staging",
      "operation": "update",
      "scope": "write",
      "deployment": "17",
      "actor": "alice",
      "actor_id": "u-1",
      "run_id": "019b7ca9-8c88-7160-869f-01d170de387e"
    }
    "#);
    // The token carries what registration promised.
    for (name, value) in run["claims"].as_object().unwrap() {
        assert_eq!(claims[name], *value, "{name}");
    }
}

async fn a_token_verifies_through_discovery(app: TestApp) {
    let run = app.start_run(&json!({})).await;
    let token = app.mint(&run, "&audience=sts.amazonaws.com").await;
    let discovery = app.get("", "/oidc/.well-known/openid-configuration").await.ok();
    let jwks = app.get("", discovery["jwks_uri"].as_str().unwrap()).await.ok();
    let jwks: JwkSet = serde_json::from_value(jwks).unwrap();
    let issuer = discovery["issuer"].as_str().unwrap();
    let verified = verify(&token, &jwks, issuer, app.clock.now()).unwrap();
    assert_eq!(verified["aud"], "sts.amazonaws.com");
}

async fn the_header_has_three_members(app: TestApp) {
    let token = app.mint(&app.start_run(&json!({})).await, "").await;
    let kid = app.get("", "/oidc/.well-known/jwks").await.ok()["keys"][0]["kid"].clone();
    assert_eq!(decode(token.split('.').next().unwrap()), json!({"alg": "RS256", "kid": kid, "typ": "JWT"}));
}

async fn the_audience_defaults_to_the_organization(app: TestApp) {
    let run = app.start_run(&json!({})).await;
    for (query, audience) in [
        ("", "acme"),
        ("&audience=sts.amazonaws.com", "sts.amazonaws.com"),
        ("&audience=api%3A%2F%2FAzureADTokenExchange", "api://AzureADTokenExchange"),
        ("&audience=a%20b%26c", "a b&c"),
    ] {
        assert_eq!(claims(&app.mint(&run, query).await)["aud"], audience);
    }
}

async fn a_lifetime_may_be_requested_within_bounds(app: TestApp) {
    let run = app.start_run(&json!({})).await;
    for seconds in [60, 600, 3600] {
        let claims = claims(&app.mint(&run, &format!("&lifetime_seconds={seconds}")).await);
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), seconds);
    }
    let mut details = Vec::new();
    for seconds in ["0", "59", "3601", "-1", "9223372036854775807"] {
        let answer = app.ask(&run, &format!("&lifetime_seconds={seconds}")).await;
        details.push(answer.problem(422, "invalid-input"));
    }
    assert_snapshot!(details.join("\n"), @"
    lifetime_seconds must be 60 to 3600, not 0.
    lifetime_seconds must be 60 to 3600, not 59.
    lifetime_seconds must be 60 to 3600, not 3601.
    lifetime_seconds must be 60 to 3600, not -1.
    lifetime_seconds must be 60 to 3600, not 9223372036854775807.
    ");
    for nonsense in ["", "1.5", "1e3", "x", "99999999999999999999"] {
        app.ask(&run, &format!("&lifetime_seconds={nonsense}")).await.problem(400, "bad-request");
    }
}

async fn a_token_never_outlives_its_run_by_more_than_the_grace(app: TestApp) {
    let run = app.start_run(&json!({"ttl_seconds": 120})).await;
    let deadline = second(run["expires_at"].as_str().unwrap());
    assert_eq!(claims(&app.mint(&run, "").await)["exp"], deadline + 60);
    app.clock.advance(SignedDuration::from_secs(119));
    assert_eq!(claims(&app.mint(&run, "").await)["exp"], deadline + 60);
}

async fn every_token_is_recorded_before_it_is_sent(app: TestApp) {
    let run = app.start_run(&json!({})).await;
    let claims = claims(&app.mint(&run, "&audience=vault").await);
    let kid = app.signing_key().kid().to_owned();
    let jti = claims["jti"].as_str().unwrap();
    let column = |name: &str| format!("SELECT {name} FROM id_tokens WHERE jti = '{jti}'");
    for (name, value) in [
        ("audience", "vault"),
        ("subject", claims["sub"].as_str().unwrap()),
        ("run_id", claims["run_id"].as_str().unwrap()),
        ("organization_id", claims["org_id"].as_str().unwrap()),
        ("kid", &kid),
        ("caller", "127.0.0.1"),
    ] {
        assert_eq!(app.database.text(&column(name)).await, value, "{name}");
    }
    assert_eq!(app.database.number(&column("expires_at")).await, claims["exp"].as_i64().unwrap() * 1000);
    assert_eq!(app.database.number(&column("minted_at")).await, claims["iat"].as_i64().unwrap() * 1000);
}

async fn no_token_is_sent_if_it_cannot_be_recorded(app: TestApp) {
    let run = app.start_run(&json!({})).await;
    app.mint(&run, "").await;
    app.database.execute("ALTER TABLE id_tokens RENAME TO hidden").await;
    let refused = app.ask(&run, "").await;
    refused.problem(503, "unavailable");
    assert_eq!(refused.header("retry-after"), "1");
    assert!(!refused.text.contains("eyJ"));
    // As soon as tokens can be recorded again, they are issued again.
    app.database.execute("ALTER TABLE hidden RENAME TO id_tokens").await;
    app.mint(&run, "").await;
    assert_eq!(app.database.number("SELECT COUNT(*) FROM id_tokens").await, 2);

    app.inner().store.close().await;
    app.ask(&run, "").await.problem(503, "unavailable");
}

async fn an_ended_run_gets_no_token(app: TestApp) {
    for ending in ["finish", "cancel"] {
        let run = app.start_run(&json!({})).await;
        app.mint(&run, "").await;
        let path = format!("/api/runs/{}/{ending}", run["id"].as_str().unwrap());
        app.post_ok(&app.orchestrator, &path, &Value::Null).await;
        app.ask(&run, "").await.problem(403, "run-ended");
    }
    assert_eq!(app.database.number("SELECT COUNT(*) FROM id_tokens").await, 2);
}

async fn a_run_past_its_deadline_gets_no_token(app: TestApp) {
    let run = app.start_run(&json!({"ttl_seconds": 60})).await;
    app.clock.advance(SignedDuration::from_millis(59_999));
    app.mint(&run, "").await;
    app.clock.advance(SignedDuration::from_millis(1));
    let detail = app.ask(&run, "").await.problem(403, "run-ended");
    assert_snapshot!(detail, @"The run is expired and gets no more tokens; start a new run.");
}

async fn a_run_ended_on_another_replica_gets_no_token_here(mut app: TestApp) {
    let replica = app.replica().await;
    let run = app.start_run(&json!({})).await;
    replica.mint(&run, "").await;
    let path = format!("/api/runs/{}/finish", run["id"].as_str().unwrap());
    app.post_ok(&app.orchestrator, &path, &Value::Null).await;
    // The replica cached the run a moment ago; its very next request is refused nevertheless.
    replica.ask(&run, "").await.problem(403, "run-ended");
    app.stop().await;
}

async fn a_deleted_organizations_runs_get_no_token(app: TestApp) {
    let run = app.start_run(&json!({})).await;
    app.mint(&run, "").await;
    assert_eq!(app.delete(&app.admin, "/api/orgs/acme").await.status, 204);
    app.ask(&run, "").await.problem(403, "run-ended");
}

async fn a_run_may_request_only_its_audiences(app: TestApp) {
    let run = app.start_run(&json!({"audiences": ["vault", "api://x"]})).await;
    assert_eq!(claims(&app.mint(&run, "&audience=vault").await)["aud"], "vault");
    assert_eq!(claims(&app.mint(&run, "&audience=api://x").await)["aud"], "api://x");
    let mut details = Vec::new();
    for query in ["", "&audience=acme", "&audience=Vault", "&audience=vault%20x", "&audience=vaul"] {
        details.push(app.ask(&run, query).await.problem(403, "audience-not-allowed"));
    }
    assert_snapshot!(details.join("\n"), @"
    This run may not ask for audience `acme`; it may ask for: vault, api://x.
    This run may not ask for audience `acme`; it may ask for: vault, api://x.
    This run may not ask for audience `Vault`; it may ask for: vault, api://x.
    This run may not ask for audience `vault x`; it may ask for: vault, api://x.
    This run may not ask for audience `vaul`; it may ask for: vault, api://x.
    ");
}

async fn a_request_token_works_only_for_its_own_run(app: TestApp) {
    let (run, other) = (app.start_run(&json!({})).await, app.start_run(&json!({})).await);
    let request_token = run["request_token"].as_str().unwrap();
    app.get(request_token, other["request_url"].as_str().unwrap()).await.problem(401, "unauthorized");
    // It grants no access to the API, and an access token gets no ID token.
    for path in ["/api/orgs", "/api/orgs/acme", "/api/orgs/acme/runs", "/api/access-tokens"] {
        app.get(request_token, path).await.problem(401, "unauthorized");
    }
    let finish = format!("/api/runs/{}/finish", run["id"].as_str().unwrap());
    app.post(request_token, &finish, &Value::Null).await.problem(401, "unauthorized");
    for token in [&app.admin, &app.owner, &app.orchestrator] {
        app.get(token, run["request_url"].as_str().unwrap()).await.problem(401, "unauthorized");
    }
}

async fn every_altered_request_token_gets_the_same_refusal(app: TestApp) {
    let run = app.start_run(&json!({})).await;
    let url = run["request_url"].as_str().unwrap();
    let good = run["request_token"].as_str().unwrap();
    let unknown_run = url.replace(run["id"].as_str().unwrap(), "01a1fdb7-5bf9-7f1c-8400-f05e3b351a57");
    let expected = app.get("", url).await.text;
    assert_eq!(app.get(good, &unknown_run).await.text, expected);
    assert_eq!(app.get(good, &url.replace(run["id"].as_str().unwrap(), "x")).await.text, expected);
    for index in 0..good.len() {
        let mut changed = good.as_bytes().to_vec();
        changed[index] = if changed[index] == b'x' { b'y' } else { b'x' };
        let answer = app.get(std::str::from_utf8(&changed).unwrap(), url).await;
        answer.problem(401, "unauthorized");
        assert_eq!((answer.text.as_str(), answer.header("www-authenticate")), (expected.as_str(), "Bearer"));
    }
    for broken in [&good[..good.len() - 1], &format!("{good}x"), &good.to_lowercase(), "rmrt_"] {
        assert_eq!(app.get(broken, url).await.text, expected);
    }
    for header in [format!("token {good}"), format!("bearer {good}"), format!("BEARER {good}")] {
        let request = app.http.get(url).header("authorization", header);
        assert_eq!(Answer::read(request.send().await.unwrap()).await.status, 200);
    }
    for header in [good.to_owned(), format!("Basic {good}"), format!("Bearer{good}"), String::new()] {
        let request = app.http.get(url).header("authorization", header);
        Answer::read(request.send().await.unwrap()).await.problem(401, "unauthorized");
    }
    let twice = app.http.get(url).bearer_auth(good).header("authorization", format!("Bearer {good}"));
    Answer::read(twice.send().await.unwrap()).await.problem(401, "unauthorized");
}

async fn malformed_requests_get_no_token(app: TestApp) {
    let run = app.start_run(&json!({})).await;
    let long = format!("&audience={}", "a".repeat(257));
    for query in [
        "&audience=",
        "&audience=a&audience=b",
        "&audience=%20a",
        "&audience=a%00",
        "&audience=%ff",
        "&audiance=a",
        "&AUDIENCE=a",
        "&aud=a",
        "&api-version=1",
        &long,
    ] {
        app.ask(&run, query).await.problem(400, "bad-request");
    }
    let other_version = run["request_url"].as_str().unwrap().replace("api-version=1", "api-version=2");
    app.get(run["request_token"].as_str().unwrap(), &other_version).await.problem(400, "bad-request");
    app.mint(&run, &format!("&audience={}", "a".repeat(256))).await;
    assert_eq!(app.database.number("SELECT COUNT(*) FROM id_tokens").await, 1);
}

async fn head_mints_nothing(app: TestApp) {
    let run = app.start_run(&json!({})).await;
    let (token, url) = (run["request_token"].as_str().unwrap(), run["request_url"].as_str().unwrap());
    for method in [Method::HEAD, Method::POST, Method::PUT, Method::OPTIONS, Method::DELETE] {
        let answer = app.send(method.clone(), token, url, &Value::Null).await;
        assert_eq!(answer.status, 405, "{method}");
    }
    assert_eq!(app.database.number("SELECT COUNT(*) FROM id_tokens").await, 0);
}

async fn concurrent_requests_get_different_tokens(app: TestApp) {
    let app = Arc::new(app);
    let run = Arc::new(app.start_run(&json!({})).await);
    let asking: Vec<_> = (0..200)
        .map(|_| {
            let (app, run) = (Arc::clone(&app), Arc::clone(&run));
            tokio::spawn(async move { claims(&app.mint(&run, "").await)["jti"].as_str().unwrap().to_owned() })
        })
        .collect();
    let mut ids = HashSet::new();
    for one in asking {
        assert!(ids.insert(one.await.unwrap()));
    }
    assert_eq!(app.database.number("SELECT COUNT(*) FROM id_tokens").await, 200);
}

#[tokio::test]
async fn behind_a_proxy_the_caller_is_the_proxys_client() {
    let app = Setup::new(Engine::Sqlite).config("behind_tls_proxy = true").run().await;
    let run = app.start_run(&json!({})).await;
    for (header, caller) in [
        ("203.0.113.7", "203.0.113.7"),
        ("6.6.6.6, 203.0.113.8", "203.0.113.8"),
        ("2001:db8::1", "2001:db8::1"),
        ("nonsense", "127.0.0.1"),
    ] {
        let request = app.http.get(run["request_url"].as_str().unwrap()).header("x-forwarded-for", header);
        let request = request.bearer_auth(run["request_token"].as_str().unwrap());
        let token = Answer::read(request.send().await.unwrap()).await.ok()["value"].clone();
        let jti = claims(token.as_str().unwrap())["jti"].clone();
        let sql = format!("SELECT caller FROM id_tokens WHERE jti = '{}'", jti.as_str().unwrap());
        assert_eq!(app.database.text(&sql).await, caller);
    }
}

#[tokio::test]
async fn without_a_trusted_proxy_forwarded_addresses_are_ignored() {
    let app = TestApp::start(Engine::Sqlite).await;
    let run = app.start_run(&json!({})).await;
    let request = app.http.get(run["request_url"].as_str().unwrap()).header("x-forwarded-for", "203.0.113.7");
    request.bearer_auth(run["request_token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(app.database.text("SELECT caller FROM id_tokens").await, "127.0.0.1");
}

#[tokio::test]
async fn a_subject_can_be_byte_for_byte_what_pulumi_clouds_deployments_issue() {
    let setup =
        Setup::new(Engine::Sqlite).config("subject_prefix = 'pulumi'").config("scope = 'always-write'");
    let app = setup.run().await;
    let attributes = json!({"project": "website", "stack": "staging", "operation": "preview"});
    let run = app.start_run(&json!({"attributes": attributes})).await;
    let claims = claims(&app.mint(&run, "").await);
    assert_eq!(
        claims["sub"],
        "pulumi:deploy:org:acme:project:website:stack:staging:operation:preview:scope:write"
    );
    assert_eq!((&claims["scope"], &claims["aud"]), (&json!("write"), &json!("acme")));
}
