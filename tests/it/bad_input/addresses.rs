//! Request targets and hosts.

use serde_json::json;

use super::{head, say, status, still_mints, website};
use crate::harness::{Engine, TestApp};

#[tokio::test]
async fn no_spelling_of_an_address_changes_the_answer() {
    let app = TestApp::start(Engine::Sqlite).await;
    let body =
        |answer: &str| answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned());
    let get = async |target: &str, more: &str| {
        say(&app, format!("GET {target} HTTP/1.1\r\nconnection: close\r\n{more}\r\n")).await
    };
    let authorization = format!("authorization: Bearer {}\r\n", app.viewer);
    for path in ["/oidc/.well-known/openid-configuration", "/oidc/.well-known/jwks", "/api/orgs/acme"] {
        let plain = get(path, &format!("host: {}\r\n{authorization}", app.address)).await;
        assert_eq!(status(&plain), 200, "{plain}");
        for (origin, host) in [
            ("http://evil.example", "host: evil.example\r\n"),
            ("http://evil.example:1", "host: x\r\n"),
            ("http://user:password@evil.example", ""),
            ("", ""),
            ("", "host: \r\n"),
            ("", "host: a\r\nhost: b\r\n"),
            ("", "host: ../../x\r\n"),
            ("", "host: x/api/orgs/globex\r\n"),
            ("", "host: [::1]:99999\r\n"),
            ("", "host: evil.example\r\nx-forwarded-host: evil.example\r\nforwarded: host=evil.example\r\n"),
        ] {
            let answer = get(&format!("{origin}{path}"), &format!("{host}{authorization}")).await;
            assert_eq!((status(&answer), body(&answer)), (200, body(&plain)), "{origin}{path} {host}");
        }
    }
    let more = format!(
        "host: evil.example\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        website().len()
    );
    let started =
        say(&app, head(&app, "/api/orgs/acme/runs", &more).replace("host: x\r\n", "") + &website()).await;
    assert_eq!(status(&started), 201, "{started}");
    assert!(!started.contains("evil.example"), "{started}");
    still_mints(&app).await;
}

#[tokio::test]
async fn no_path_trick_reaches_a_resource() {
    let app = TestApp::start(Engine::Sqlite).await;
    let run = app.start_run(&json!({})).await;
    let id = run["id"].as_str().unwrap();
    let long = format!("/api/orgs/{}", "a".repeat(10_000));
    let deep = "/a".repeat(5_000);
    let trailing = format!("/api/runs/{id}/");
    let up = format!("/api/orgs/globex/../../runs/{id}");
    let coded = format!("/api%2Fruns%2F{id}");
    let of_run = format!("/api/runs/{id}%2Fid-token");
    for path in [
        "//api/orgs",
        "/api//orgs",
        "/api/orgs/",
        "/api/../api/orgs",
        "/./api/orgs",
        "/api/%2e%2e/api/orgs",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/api/orgs/acme%2Fruns",
        "/api/orgs/..%2Facme",
        "/api/orgs/%2e%2e",
        "/api/orgs/..",
        "/api/orgs/acme%00",
        "/api/orgs/%ff",
        "/api/orgs/%",
        "/api/orgs/%zz",
        "/api/orgs/%u0061cme",
        "/api/orgs/acme;x=y",
        "/api/orgs/acme.json",
        "/api/orgs/ACME",
        "/api/orgs/acm%C3%A9",
        "/API/orgs",
        "/api/orgs\\acme",
        "/api/runs/%20",
        "/api/runs/00000000-0000-0000-0000-000000000000",
        "/oidc/",
        "/oidc/.well-known/jwks/",
        "/oidc/.well-known/../.well-known/jwks",
        "/oidc/%2ewell-known/jwks",
        "/",
        "*",
        "/api/orgs/{org}",
        "/:org",
        &trailing,
        &up,
        &coded,
        &of_run,
        &long,
        &deep,
    ] {
        for token in ["", &app.viewer, &app.admin] {
            for method in ["GET", "OPTIONS"] {
                let request = format!(
                    "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
                );
                let answer = say(&app, request).await;
                assert!(matches!(status(&answer), 400 | 401 | 404 | 405), "{method} {path}: {answer}");
            }
        }
    }
    // An escaped plain letter equals that letter.
    let request = format!(
        "GET /api/orgs/%61cme HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n\r\n",
        app.viewer
    );
    assert_eq!(status(&say(&app, request).await), 200);
    for request in [
        "CONNECT evil.example:443 HTTP/1.1\r\nhost: x\r\n",
        "TRACE /healthz HTTP/1.1\r\nhost: x\r\n",
        "BREW /healthz HTTP/1.1\r\nhost: x\r\n",
    ] {
        let answer = say(&app, format!("{request}connection: close\r\n\r\n")).await;
        assert!(matches!(status(&answer), 400 | 404 | 405), "{request}: {answer}");
    }
    still_mints(&app).await;
}
