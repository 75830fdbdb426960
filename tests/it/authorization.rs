//! Permissions: every address, with every kind of credential.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use reqwest::Method;
use runmint::http::router::routes;
use serde_json::{Value, json};

use crate::harness::{Answer, TestApp, on_both_engines};

on_both_engines![
    every_address_answers_each_credential_as_the_table_says,
    an_unauthenticated_caller_learns_nothing_of_what_exists,
    head_answers_like_get,
    another_organizations_resources_look_unknown,
    admin_tokens_are_hidden_from_other_callers,
    every_altered_access_token_gets_the_same_refusal,
    a_credential_has_one_form,
    a_token_expires_exactly_at_its_expiry,
    a_revoked_token_is_refused_at_once_everywhere,
    refuses_every_token_of_a_deleted_organization_even_one_created_meanwhile,
    the_last_use_is_recorded_at_most_once_a_minute,
    an_unreachable_database_authenticates_no_caller,
];

/// The columns of the table. "Nobody" is a caller without a valid credential: see `nobodies`.
const CALLERS: [&str; 7] =
    ["nobody", "its request token", "viewer", "orchestrator", "owner", "owner elsewhere", "admin"];

/// The status of each route for each caller. A route missing here fails the test, so that a contributor who
/// adds one decides who may use it. The organization is deleted last, because that succeeds.
pub(crate) const TABLE: &[(&str, &str, [u16; 7])] = &[
    ("get", "/openapi.yaml", [200, 200, 200, 200, 200, 200, 200]),
    ("get", "/healthz", [200, 200, 200, 200, 200, 200, 200]),
    ("get", "/readyz", [200, 200, 200, 200, 200, 200, 200]),
    ("get", "/version", [200, 200, 200, 200, 200, 200, 200]),
    ("get", "/metrics", [200, 200, 200, 200, 200, 200, 200]),
    // Acme has no issuer of its own.
    ("get", "/orgs/{org}/oidc/.well-known/openid-configuration", [404, 404, 404, 404, 404, 404, 404]),
    ("get", "/orgs/{org}/oidc/.well-known/jwks", [404, 404, 404, 404, 404, 404, 404]),
    ("get", "/api/keys", [401, 401, 403, 403, 403, 403, 200]),
    ("get", "/api/keys/documents", [401, 401, 403, 403, 403, 403, 200]),
    ("get", "/api/keys/{id}/id-tokens", [401, 401, 403, 403, 403, 403, 200]),
    // Too early, and an unknown key.
    ("post", "/api/keys/rotate", [401, 401, 403, 403, 403, 403, 409]),
    ("post", "/api/keys/{id}/revoke", [401, 401, 403, 403, 403, 403, 404]),
    ("post", "/api/keys/reseal", [401, 401, 403, 403, 403, 403, 200]),
    ("post", "/api/snapshot-verifiers", [401, 401, 403, 403, 403, 403, 201]),
    ("get", "/api/snapshot-verifiers", [401, 401, 403, 403, 403, 403, 200]),
    ("post", "/api/snapshot-verifiers/{id}/acknowledge", [401, 401, 403, 403, 403, 403, 404]),
    ("delete", "/api/snapshot-verifiers/{id}", [401, 401, 403, 403, 403, 403, 404]),
    ("post", "/api/orgs", [401, 401, 403, 403, 403, 403, 201]),
    ("get", "/api/orgs", [401, 401, 200, 200, 200, 200, 200]),
    ("get", "/api/orgs/{org}", [401, 401, 200, 200, 200, 404, 200]),
    ("post", "/api/orgs/{org}/access-tokens", [401, 401, 403, 403, 201, 404, 201]),
    ("get", "/api/orgs/{org}/access-tokens", [401, 401, 403, 403, 200, 404, 200]),
    ("post", "/api/access-tokens", [401, 401, 403, 403, 403, 403, 201]),
    ("get", "/api/access-tokens", [401, 401, 403, 403, 403, 403, 200]),
    ("get", "/api/access-tokens/{id}", [401, 401, 403, 403, 200, 404, 200]),
    ("delete", "/api/access-tokens/{id}", [401, 401, 403, 403, 204, 404, 204]),
    ("get", "/api/orgs/{org}/cloud-settings", [401, 401, 200, 200, 200, 404, 200]),
    // The owner came first: these are at version 1 now.
    ("put", "/api/orgs/{org}/cloud-settings", [401, 401, 403, 403, 200, 404, 409]),
    ("get", "/api/orgs/{org}/audience-profiles", [401, 401, 200, 200, 200, 404, 200]),
    ("put", "/api/orgs/{org}/audience-profiles", [401, 401, 403, 403, 200, 404, 409]),
    ("get", "/api/orgs/{org}/audience-profiles/usage", [401, 401, 200, 200, 200, 404, 200]),
    ("post", "/api/orgs/{org}/runs", [401, 401, 403, 201, 201, 404, 201]),
    ("get", "/api/orgs/{org}/runs", [401, 401, 200, 200, 200, 404, 200]),
    ("post", "/api/orgs/{org}/runs/preview", [401, 401, 200, 200, 200, 404, 200]),
    ("get", "/api/runs/{id}", [401, 401, 200, 200, 200, 404, 200]),
    ("post", "/api/runs/{id}/finish", [401, 401, 403, 200, 200, 404, 200]),
    ("post", "/api/runs/{id}/cancel", [401, 401, 403, 200, 200, 404, 200]),
    // Only the run's own credential, not even an admin's.
    ("get", "/api/runs/{id}/id-token", [401, 200, 401, 401, 401, 401, 401]),
    // The credential would be the token in the body; this request has none.
    ("post", "/api/oauth/token", [400, 400, 400, 400, 400, 400, 400]),
    ("get", "/api/user", [401, 401, 200, 200, 200, 200, 200]),
    // The owner came first, so the name is taken. The same applies to teams and users.
    ("post", "/api/orgs/{org}/oidc/issuers", [401, 401, 403, 403, 201, 404, 409]),
    ("get", "/api/orgs/{org}/oidc/issuers", [401, 401, 403, 403, 200, 404, 200]),
    ("get", "/api/orgs/{org}/oidc/issuers/{id}", [401, 401, 403, 403, 200, 404, 200]),
    ("patch", "/api/orgs/{org}/oidc/issuers/{id}", [401, 401, 403, 403, 200, 404, 200]),
    ("delete", "/api/orgs/{org}/oidc/issuers/{id}", [401, 401, 403, 403, 204, 404, 204]),
    // Its keys are static: there is no server whose certificate could be pinned.
    ("post", "/api/orgs/{org}/oidc/issuers/{id}/regenerate-thumbprints", [401, 401, 403, 403, 400, 404, 400]),
    ("get", "/api/orgs/{org}/auth/policies/oidcissuers/{id}", [401, 401, 403, 403, 200, 404, 200]),
    ("get", "/api/orgs/{org}/auth/policies/oidcissuers/{id}/exchanges", [401, 401, 403, 403, 200, 404, 200]),
    ("post", "/api/orgs/{org}/auth/policies/oidcissuers/{id}/explain", [401, 401, 403, 403, 200, 404, 200]),
    ("post", "/api/orgs/{org}/auth/policies/oidcissuers/{id}/replay", [401, 401, 403, 403, 200, 404, 200]),
    ("patch", "/api/orgs/{org}/auth/policies/{id}", [401, 401, 403, 403, 200, 404, 200]),
    ("post", "/api/orgs/{org}/teams", [401, 401, 403, 403, 201, 404, 409]),
    ("get", "/api/orgs/{org}/teams", [401, 401, 200, 200, 200, 404, 200]),
    ("get", "/api/orgs/{org}/teams/{name}", [401, 401, 200, 200, 200, 404, 200]),
    ("patch", "/api/orgs/{org}/teams/{name}", [401, 401, 403, 403, 200, 404, 200]),
    ("delete", "/api/orgs/{org}/teams/{name}", [401, 401, 403, 403, 204, 404, 204]),
    ("post", "/api/orgs/{org}/users", [401, 401, 403, 403, 201, 404, 409]),
    ("get", "/api/orgs/{org}/users", [401, 401, 200, 200, 200, 404, 200]),
    ("get", "/api/orgs/{org}/users/{name}", [401, 401, 200, 200, 200, 404, 200]),
    ("patch", "/api/orgs/{org}/users/{name}", [401, 401, 403, 403, 200, 404, 200]),
    ("delete", "/api/orgs/{org}/users/{name}", [401, 401, 403, 403, 204, 404, 204]),
    ("delete", "/api/orgs/{org}", [401, 401, 403, 403, 403, 404, 204]),
];

const UNKNOWN_ID: &str = "01a1fdb7-5bf9-7f1c-8400-f05e3b351a57";
const NO_SUCH_TOKEN: &str = "rmat_000000000000000000000000000000000000000000007Xm94";

fn id(thing: &Value) -> String {
    thing["id"].as_str().unwrap().to_owned()
}

fn method(name: &str) -> Method {
    name.to_uppercase().parse().unwrap()
}

/// A body that succeeds on routes that need one.
fn body(method: &str, path: &str) -> Value {
    match (method, path) {
        ("post", "/api/orgs" | "/api/orgs/{org}/teams" | "/api/orgs/{org}/users") => {
            json!({"name": "another"})
        }
        ("post", "/api/orgs/{org}/access-tokens") => json!({"name": "t", "role": "viewer"}),
        ("post", "/api/access-tokens") => json!({"name": "t"}),
        ("post", "/api/orgs/{org}/runs" | "/api/orgs/{org}/runs/preview") => json!({
            "service": "deploy",
            "attributes": {"project": "website", "stack": "staging", "operation": "update"},
        }),
        ("put", "/api/orgs/{org}/cloud-settings") => json!({"version": 0, "settings": []}),
        ("put", "/api/orgs/{org}/audience-profiles") => json!({"version": 0, "profiles": {}}),
        ("post", "/api/keys/rotate" | "/api/oauth/token") => json!({}),
        ("post", "/api/snapshot-verifiers/{id}/acknowledge") => json!({"kids": ["k"]}),
        ("post", "/api/keys/{id}/revoke") => json!({"compromised": true}),
        ("post", "/api/snapshot-verifiers") => json!({"name": "verifier"}),
        ("post", "/api/orgs/{org}/oidc/issuers") => new_issuer("another"),
        ("patch", "/api/orgs/{org}/oidc/issuers/{id}") => json!({"name": "its"}),
        ("post", "/api/orgs/{org}/auth/policies/oidcissuers/{id}/explain") => {
            json!({"claims": {}, "asked": {"token_type": "organization", "admin": false}})
        }
        (
            "post" | "patch",
            "/api/orgs/{org}/auth/policies/oidcissuers/{id}/replay" | "/api/orgs/{org}/auth/policies/{id}",
        ) => {
            json!({"policies": []})
        }
        ("patch", "/api/orgs/{org}/teams/{name}" | "/api/orgs/{org}/users/{name}") => json!({"rights": []}),
        _ => Value::Null,
    }
}

/// An issuer with static keys, which needs no server.
fn new_issuer(name: &str) -> Value {
    json!({"name": name, "url": format!("https://{name}.example"), "jwks": {"keys": []}})
}

/// Credentials that were never valid, or no longer are.
async fn nobodies(app: &TestApp) -> Vec<(&'static str, String)> {
    let short = json!({"name": "short", "role": "owner", "expires_in_seconds": 60});
    let expired = app.post_ok(&app.admin, "/api/orgs/acme/access-tokens", &short).await;
    app.clock.advance(SignedDuration::from_secs(60));
    let long = json!({"name": "revoked", "role": "owner"});
    let revoked = app.post_ok(&app.admin, "/api/orgs/acme/access-tokens", &long).await;
    let path = format!("/api/access-tokens/{}", id(&revoked));
    assert_eq!(app.delete(&app.admin, &path).await.status, 204);
    app.post_ok(&app.admin, "/api/orgs", &json!({"name": "gone"})).await;
    let deleted = app.make_token("gone", "owner").await;
    assert_eq!(app.delete(&app.admin, "/api/orgs/gone").await.status, 204);
    let secret = |token: &Value| token["access_token"].as_str().unwrap().to_owned();
    vec![
        ("none", String::new()),
        ("garbage", "garbage".to_owned()),
        ("unknown", NO_SUCH_TOKEN.to_owned()),
        ("expired", secret(&expired)),
        ("revoked", secret(&revoked)),
        ("of a deleted organization", deleted),
    ]
}

async fn owner_elsewhere(app: &TestApp) -> String {
    app.post_ok(&app.admin, "/api/orgs", &json!({"name": "elsewhere"})).await;
    app.make_token("elsewhere", "owner").await
}

/// `path` with the organization or one of its resources filled in. A run or token is created for each
/// request; an issuer, team or user for the first request and again after each deletion.
async fn concrete(app: &TestApp, path: &str) -> (String, Value) {
    let mut thing = Value::Null;
    if path.starts_with("/api/runs/") {
        thing = app.start_run(&json!({})).await;
    } else if path.starts_with("/api/access-tokens/") {
        let new = json!({"name": "its", "role": "viewer"});
        thing = app.post_ok(&app.admin, "/api/orgs/acme/access-tokens", &new).await;
    } else if path.contains("/oidc/issuers/") || path.contains("/auth/policies/") {
        thing = its_issuer(app).await;
        if path.ends_with("/auth/policies/{id}") {
            let policies = format!("/api/orgs/acme/auth/policies/oidcissuers/{}", id(&thing));
            thing = app.get(&app.admin, &policies).await.ok();
        }
    } else if let Some(all) = path.strip_suffix("/{name}") {
        // Answers 409 if it still exists.
        app.post(&app.admin, &all.replace("{org}", "acme"), &json!({"name": "its"})).await;
    }
    let id = thing["id"].as_str().unwrap_or("none needed");
    (path.replace("{org}", "acme").replace("{id}", id).replace("{name}", "its"), thing)
}

async fn its_issuer(app: &TestApp) -> Value {
    let path = "/api/orgs/acme/oidc/issuers";
    let all = app.get(&app.admin, path).await.ok();
    let its = all["oidcIssuers"].as_array().unwrap().iter().find(|issuer| issuer["name"] == "its");
    match its {
        Some(issuer) => issuer.clone(),
        None => app.post_ok(&app.admin, path, &new_issuer("its")).await,
    }
}

fn is_the_refusal(answer: &Answer) -> bool {
    answer.text == REFUSAL && answer.header("www-authenticate") == "Bearer"
}

const REFUSAL: &str = r#"{"type":"urn:runmint:problem:unauthorized","title":"Credential needed","status":401,"detail":"Send a valid token as `Authorization: Bearer TOKEN`. It may be missing, wrong, expired or revoked."}"#;

async fn every_address_answers_each_credential_as_the_table_says(app: TestApp) {
    let there_are: BTreeSet<_> = routes().iter().map(|route| (route.method, route.path)).collect();
    let decided: BTreeSet<_> = TABLE.iter().map(|(method, path, _)| (*method, *path)).collect();
    assert_eq!(there_are, decided, "each route needs a line in the table");
    assert_eq!(decided.len(), TABLE.len(), "and only one");

    let nobodies = nobodies(&app).await;
    let elsewhere = owner_elsewhere(&app).await;
    let mut wrong = Vec::new();
    for (name, path, expected) in TABLE {
        for (caller, status) in CALLERS.into_iter().zip(*expected) {
            let (target, thing) = concrete(&app, path).await;
            let someones_run = app.start_run(&json!({})).await;
            let tokens = match caller {
                "nobody" => nobodies.clone(),
                "its request token" => {
                    let run = if thing["request_token"].is_string() { &thing } else { &someones_run };
                    vec![("", run["request_token"].as_str().unwrap().to_owned())]
                }
                "viewer" => vec![("", app.viewer.clone())],
                "orchestrator" => vec![("", app.orchestrator.clone())],
                "owner" => vec![("", app.owner.clone())],
                "owner elsewhere" => vec![("", elsewhere.clone())],
                "admin" => vec![("", app.admin.clone())],
                other => panic!("{other}"),
            };
            for (kind, token) in tokens {
                let answer = app.send(method(name), &token, &target, &body(name, path)).await;
                if status == 403 {
                    // A caller without permission is refused before the body is read.
                    let without_body = app.send(method(name), &token, &target, &Value::Null).await;
                    assert_eq!(without_body.text, answer.text, "{name} {path} as {caller}");
                }
                if answer.status != status || (status == 401 && !is_the_refusal(&answer)) {
                    wrong.push(format!(
                        "{name} {path} as {caller} {kind}: {} {} instead of {status}",
                        answer.status, answer.text
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn an_unauthenticated_caller_learns_nothing_of_what_exists(app: TestApp) {
    let nobodies = nobodies(&app).await;
    let run = app.start_run(&json!({})).await;
    for (name, path, expected) in TABLE {
        if expected[0] != 401 {
            continue;
        }
        for (there, absent) in [
            ("acme", "nowhere"),
            (run["id"].as_str().unwrap(), UNKNOWN_ID),
            ("gone", "%ff"),
            ("%00", "A%2Fb"),
        ] {
            for id in [there, absent] {
                let target = path.replace("{org}", id).replace("{id}", id).replace("{name}", id);
                for (kind, token) in &nobodies {
                    // A body, query or content type that would be refused must not be checked first.
                    for suffix in ["", "?limit=x&audience="] {
                        let target = format!("{target}{suffix}");
                        let answer = app.send(method(name), token, &target, &Value::Null).await;
                        assert!(is_the_refusal(&answer), "{name} {target} as {kind}: {}", answer.text);
                    }
                }
            }
        }
    }
}

/// The router adds HEAD to every GET, which must not bypass authorization.
async fn head_answers_like_get(app: TestApp) {
    let elsewhere = owner_elsewhere(&app).await;
    for (name, path, [nobody, _, viewer, _, _, other, _]) in TABLE {
        if *name != "get" {
            continue;
        }
        let (target, _) = concrete(&app, path).await;
        let mints = path.ends_with("/id-token");
        for (token, get) in [("", nobody), (&app.viewer, viewer), (&elsewhere, other)] {
            let answer = app.send(Method::HEAD, token, &target, &Value::Null).await;
            assert_eq!(answer.status, if mints { 405 } else { *get }, "{path}");
        }
    }
}

async fn another_organizations_resources_look_unknown(app: TestApp) {
    let elsewhere = owner_elsewhere(&app).await;
    for (name, path, expected) in TABLE {
        if expected[5] != 404 {
            continue;
        }
        let (there, _) = concrete(&app, path).await;
        let with = |org: &str, id: &str| path.replace("{org}", org).replace("{id}", id).replace("{name}", id);
        let unknown = with("nowhere", UNKNOWN_ID);
        let impossible = with("NOT%20A%20NAME", "not-an-id");
        let deleted = with("gone", "%ff");
        let expected = app.send(method(name), &elsewhere, &unknown, &body(name, path)).await;
        expected.problem(404, "not-found");
        for target in [there, impossible, deleted] {
            for body in [body(name, path), Value::Null, json!({"nonsense": 1})] {
                let answer = app.send(method(name), &elsewhere, &target, &body).await;
                assert_eq!(described(&answer), described(&expected), "{name} {target}");
            }
        }
    }
    // A run's own credential cannot distinguish another run from an unknown one.
    let (mine, other) = (app.start_run(&json!({})).await, app.start_run(&json!({})).await);
    for id in [id(&other), UNKNOWN_ID.to_owned(), "not-an-id".to_owned(), "%ff".to_owned()] {
        let path = format!("/api/runs/{id}/id-token?api-version=1");
        let answer = app.get(mine["request_token"].as_str().unwrap(), &path).await;
        assert!(is_the_refusal(&answer), "{id}: {}", answer.text);
    }
}

/// The whole answer except the date.
fn described(answer: &Answer) -> (u16, &str, Vec<(String, String)>) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "date");
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (answer.status.as_u16(), &answer.text, headers.collect())
}

async fn admin_tokens_are_hidden_from_other_callers(app: TestApp) {
    let admins = app.post_ok(&app.admin, "/api/access-tokens", &json!({"name": "second"})).await;
    let path = format!("/api/access-tokens/{}", id(&admins));
    let unknown = app.get(&app.owner, &format!("/api/access-tokens/{UNKNOWN_ID}")).await;
    for token in [&app.viewer, &app.orchestrator, &app.owner] {
        assert_eq!(described(&app.get(token, &path).await), described(&unknown));
        assert_eq!(described(&app.delete(token, &path).await), described(&unknown));
    }
    app.get(admins["access_token"].as_str().unwrap(), "/api/access-tokens").await.ok();
}

async fn every_altered_access_token_gets_the_same_refusal(app: TestApp) {
    let path = "/api/orgs/acme";
    for good in [&app.owner, &app.admin] {
        app.get(good, path).await.ok();
        for index in 0..good.len() {
            let mut changed = good.clone().into_bytes();
            changed[index] = if changed[index] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(is_the_refusal(&app.get(&changed, path).await), "{index} changed");
            assert!(is_the_refusal(&app.get(&good[..index], path).await), "cut to {index}");
        }
        for wrong in [format!("{good}x"), format!("x{good}"), format!("{good}{good}"), good.to_lowercase()] {
            assert!(is_the_refusal(&app.get(&wrong, path).await), "{}", wrong.len());
        }
        let as_run = good.replace("rmat_", "rmrt_");
        assert!(is_the_refusal(&app.get(&as_run, path).await));
    }
}

async fn a_credential_has_one_form(app: TestApp) {
    let url = format!("{}/api/orgs/acme", app.base_url);
    let good = &app.viewer;
    let with = async |header: String| {
        Answer::read(app.http.get(&url).header("authorization", header).send().await.unwrap()).await
    };
    for scheme in ["Bearer", "bearer", "BEARER", "token", "Token"] {
        with(format!("{scheme} {good}")).await.ok();
    }
    for header in [
        good.clone(),
        format!("Bearer{good}"),
        format!("Basic {good}"),
        format!("Bearer Bearer {good}"),
        format!("Bearer {good} {good}"),
        format!("Bearer {good}, Bearer {good}"),
        format!("Bearer \"{good}\""),
        format!("Bearer token={good}"),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        String::new(),
    ] {
        assert!(is_the_refusal(&with(header.clone()).await), "{}", header.replace(good.as_str(), "GOOD"));
    }
    let twice = app.http.get(&url).bearer_auth(good).bearer_auth(good);
    assert!(is_the_refusal(&Answer::read(twice.send().await.unwrap()).await));
    // Only the header carries credentials: URLs end up in logs.
    let in_query = app.http.get(format!("{url}?access_token={good}"));
    assert!(is_the_refusal(&Answer::read(in_query.send().await.unwrap()).await));
    let in_cookie = app.http.get(&url).header("cookie", format!("access_token={good}"));
    assert!(is_the_refusal(&Answer::read(in_cookie.send().await.unwrap()).await));
}

async fn a_token_expires_exactly_at_its_expiry(app: TestApp) {
    let new = json!({"name": "short", "role": "viewer", "expires_in_seconds": 60});
    let made = app.post_ok(&app.owner, "/api/orgs/acme/access-tokens", &new).await;
    assert_eq!(made["expires_at"], "2026-01-02T03:05:05Z");
    let token = made["access_token"].as_str().unwrap();
    app.clock.set("2026-01-02T03:05:04.999Z".parse().unwrap());
    app.get(token, "/api/orgs/acme").await.ok();
    app.clock.set("2026-01-02T03:05:05Z".parse().unwrap());
    assert!(is_the_refusal(&app.get(token, "/api/orgs/acme").await));
}

async fn a_revoked_token_is_refused_at_once_everywhere(mut app: TestApp) {
    let replica = app.replica().await;
    let list = app.get(&app.owner, "/api/orgs/acme/access-tokens").await.ok();
    let named = |name: &str| {
        let tokens = list["access_tokens"].as_array().unwrap();
        id(tokens.iter().find(|token| token["role"] == name).unwrap())
    };
    replica.get(&app.viewer, "/api/orgs/acme").await.ok();
    assert_eq!(app.delete(&app.owner, &format!("/api/access-tokens/{}", named("viewer"))).await.status, 204);
    // The replica accepted it a moment ago.
    assert!(is_the_refusal(&replica.get(&app.viewer, "/api/orgs/acme").await));
    assert!(is_the_refusal(&app.get(&app.viewer, "/api/orgs/acme").await));
    // The other tokens keep working until the owner revokes its own.
    replica.get(&app.orchestrator, "/api/orgs/acme").await.ok();
    assert_eq!(app.delete(&app.owner, &format!("/api/access-tokens/{}", named("owner"))).await.status, 204);
    assert!(is_the_refusal(&app.get(&app.owner, "/api/orgs/acme").await));

    assert_eq!(app.delete(&app.admin, "/api/orgs/acme").await.status, 204);
    assert!(is_the_refusal(&replica.get(&app.orchestrator, "/api/orgs/acme").await));
    app.stop().await;
}

/// A token was being created while its organization was deleted.
async fn refuses_every_token_of_a_deleted_organization_even_one_created_meanwhile(app: TestApp) {
    assert_eq!(app.delete(&app.admin, "/api/orgs/acme").await.status, 204);
    app.database.execute("UPDATE access_tokens SET revoked_at = NULL").await;
    for token in [&app.viewer, &app.orchestrator, &app.owner] {
        for path in ["/api/orgs", "/api/orgs/acme", "/api/orgs/acme/runs"] {
            assert!(is_the_refusal(&app.get(token, path).await));
        }
    }
    app.get(&app.admin, "/api/orgs").await.ok();
}

async fn the_last_use_is_recorded_at_most_once_a_minute(app: TestApp) {
    let list = app.get(&app.owner, "/api/orgs/acme/access-tokens").await.ok();
    let tokens = list["access_tokens"].as_array().unwrap();
    let viewer = tokens.iter().find(|token| token["role"] == "viewer").unwrap();
    assert_eq!(viewer["last_used_at"], Value::Null);
    let path = format!("/api/access-tokens/{}", id(viewer));
    for (time, recorded) in [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:05:04.999Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:05:05Z", "2026-01-02T03:05:05Z"),
        ("2026-01-02T03:05:06Z", "2026-01-02T03:05:05Z"),
        ("2026-01-02T09:00:00Z", "2026-01-02T09:00:00Z"),
    ] {
        app.clock.set(time.parse().unwrap());
        app.get(&app.viewer, "/api/orgs/acme").await.ok();
        assert_eq!(app.get(&app.owner, &path).await.ok()["last_used_at"], recorded, "at {time}");
    }
    // A refused request does not count as a use.
    assert_eq!(app.delete(&app.owner, &path).await.status, 204);
    app.clock.set("2026-01-02T10:00:00Z".parse().unwrap());
    app.get(&app.viewer, "/api/orgs/acme").await.problem(401, "unauthorized");
    assert_eq!(app.get(&app.owner, &path).await.ok()["last_used_at"], "2026-01-02T09:00:00Z");
}

async fn an_unreachable_database_authenticates_no_caller(app: TestApp) {
    app.inner().store.close().await;
    for token in [&app.admin, &app.viewer] {
        let answer = app.get(token, "/api/orgs").await;
        answer.problem(503, "unavailable");
        assert_eq!(answer.header("retry-after"), "1");
    }
    // A malformed token is refused without asking the database.
    assert!(is_the_refusal(&app.get("garbage", "/api/orgs").await));
}
