//! The documents that verifiers fetch.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Engine, Setup, TestApp, on_both_engines};

on_both_engines![
    discovery_is_complete_and_byte_equal_to_iss,
    the_key_set_has_exactly_the_members_that_clouds_accept,
    both_documents_are_cacheable_and_revalidate,
    requests_do_not_change_the_documents,
    the_documents_are_served_while_the_database_is_down,
];

const PATHS: [&str; 2] = ["/oidc/.well-known/openid-configuration", "/oidc/.well-known/jwks"];

async fn discovery_is_complete_and_byte_equal_to_iss(app: TestApp) {
    let answer = app.get("", PATHS[0]).await;
    assert_eq!(
        answer.ok(),
        json!({
            "issuer": app.issuer,
            "jwks_uri": format!("{}/.well-known/jwks", app.issuer),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid"],
            "claims_supported": [
                "iss", "aud", "sub", "iat", "nbf", "exp", "jti", "org", "org_id", "run_id", "act", "project", "stack",
                "operation", "scope", "deployment", "actor", "actor_id", "current_env", "root_env", "trigger_user",
            ],
        })
    );
}

async fn the_key_set_has_exactly_the_members_that_clouds_accept(app: TestApp) {
    let jwks = app.get("", PATHS[1]).await.ok();
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "the one that signs and the one that waits: {jwks}");
    for key in keys {
        let mut members: Vec<&String> = key.as_object().unwrap().keys().collect();
        members.sort();
        assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
        assert_eq!((&key["kty"], &key["alg"], &key["use"]), (&json!("RSA"), &json!("RS256"), &json!("sig")));
        assert_eq!(key["n"].as_str().unwrap().len(), 342, "2048 bits, unpadded base64url, no leading zero");
    }
}

async fn both_documents_are_cacheable_and_revalidate(app: TestApp) {
    for path in PATHS {
        let first = app.get("", path).await;
        assert_cacheable(&first);
        assert_eq!(first.header("content-type"), "application/json");
        let etag = first.header("etag").to_owned();
        assert!(etag.starts_with('"') && etag.len() > 10, "{etag}");

        let head = app.send(Method::HEAD, "", path, &Value::Null).await;
        assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
        assert_eq!(head.header("content-length"), first.text.len().to_string());
        assert_eq!(head.header("etag"), etag);

        for matching in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
            let answer = conditional(&app, path, &matching).await;
            assert_eq!((answer.status.as_u16(), answer.text.as_str()), (304, ""), "{matching}");
            assert_cacheable(&answer);
            assert_eq!(answer.header("etag"), etag);
        }
        assert_eq!(conditional(&app, path, "\"other\"").await.status, 200);
    }
}

async fn conditional(app: &TestApp, path: &str, etag: &str) -> Answer {
    let request = app.http.get(format!("{}{path}", app.base_url)).header("if-none-match", etag);
    Answer::read(request.send().await.unwrap()).await
}

fn assert_cacheable(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("vary"), "", "one body for everybody");
}

async fn requests_do_not_change_the_documents(app: TestApp) {
    for path in PATHS {
        let plain = app.get("", path).await.text;
        for (name, value) in [
            ("host", "evil.example"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "https"),
            ("x_forwarded_proto", "https"),
            ("x-forwarded-port", "444"),
            ("x-forwarded-prefix", "/evil"),
            ("x-forwarded-server", "evil.example"),
            ("x-original-host", "evil.example"),
            ("x-original-url", "/evil"),
            ("x-rewrite-url", "/evil"),
            ("x-host", "evil.example"),
            ("forwarded", "host=evil.example;proto=https"),
            ("accept", "text/html"),
            ("accept-language", "de"),
            ("origin", "https://evil.example"),
            ("cookie", "a=b"),
            ("authorization", "Bearer nonsense"),
        ] {
            let request = app.http.get(format!("{}{path}", app.base_url)).header(name, value);
            let answer = Answer::read(request.send().await.unwrap()).await;
            assert_eq!(
                (answer.status.as_u16(), answer.text.as_str()),
                (200, plain.as_str()),
                "{name}: {value}"
            );
        }
        let with_query = app.get("", &format!("{path}?issuer=https://evil.example")).await;
        assert_eq!(with_query.text, plain);
    }
}

async fn the_documents_are_served_while_the_database_is_down(app: TestApp) {
    app.inner().store.close().await;
    for path in PATHS {
        app.get("", path).await.ok();
    }
    assert_eq!(app.get("", "/healthz").await.ok(), json!({"status": "ok"}));
    let ready = app.get("", "/readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(
        ready.json(),
        json!({"status": "not ready", "checks": {"database": "the database does not answer", "signing_key": "ok", "rotation": "ok"}, "jwks_age_seconds": 0})
    );
}

#[tokio::test]
async fn an_issuer_with_a_path_is_served_only_under_it() {
    let setup = Setup::new(Engine::Sqlite).config("issuer = 'https://id.example.com/a/oidc'");
    // The API's address is the configured one; the test reaches it at its socket.
    let app = setup.config("base_url = 'https://id.example.com/a'").run_detached().await;
    for (path, status) in [
        ("/a/oidc/.well-known/openid-configuration", 200),
        ("/a/oidc/.well-known/jwks", 200),
        ("/a/healthz", 200),
        ("/a/api/orgs", 401),
        ("/oidc/.well-known/jwks", 404),
        ("/healthz", 404),
        ("/a/oidc/.well-known/jwks/", 404),
    ] {
        let answer =
            Answer::read(app.http.get(format!("http://{}{path}", app.address)).send().await.unwrap()).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
    }
    let url = format!("http://{}/a/oidc/.well-known/openid-configuration", app.address);
    let discovery = Answer::read(app.http.get(url).send().await.unwrap()).await.ok();
    assert_eq!(discovery["issuer"], "https://id.example.com/a/oidc");
    assert_eq!(discovery["jwks_uri"], "https://id.example.com/a/oidc/.well-known/jwks");
}
