//! A foreign issuer and exchanges of its tokens. Each token is good for one exchange, so enough for a whole
//! measurement are made in advance.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use runmint::clock::{Clock, SystemClock};
use runmint::entropy::SystemEntropy;
use runmint::signing::algorithm::SigningAlgorithm;
use runmint::signing::generate::{RsaBits, private_key};
use runmint::signing::signing_key::SigningKey;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::form_urlencoded;

use crate::bare_handler::serve_on;
use crate::wire;

const SUBJECT: &str = "repo:acme/website:ref:refs/heads/main";

pub(crate) struct ForeignIssuer {
    url: String,
    /// ES256: as fast to sign as any, and slower to verify than the RS256 of most platforms.
    key: SigningKey,
    made: usize,
    serving: JoinHandle<()>,
}

impl ForeignIssuer {
    pub(crate) async fn start() -> Result<Self> {
        let der = private_key(SigningAlgorithm::Es256, RsaBits::default(), &SystemEntropy::new())?;
        let key = SigningKey::from_der(&der, SigningAlgorithm::Es256)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let discovery = json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string();
        let keys = json!({"keys": [key.public_jwk()]}).to_string();
        let json = |body: String| get(move || async { ([(CONTENT_TYPE, "application/json")], body) });
        let router = Router::new()
            .route("/.well-known/openid-configuration", json(discovery))
            .route("/keys", json(keys));
        let serving = tokio::spawn(serve_on(listener, router));
        Ok(Self { url, key, made: 0, serving })
    }

    /// Makes acme trust this issuer, by a policy for one subject.
    pub(crate) async fn register(&self, port: u16, admin_token: &str) -> Result<()> {
        let issuer = json!({"name": "platform", "url": self.url});
        let request = wire::post("/api/orgs/acme/oidc/issuers", port, admin_token, &issuer);
        let issuer: Value = serde_json::from_slice(&wire::once(port, &request, 201).await?)?;
        let id = issuer["id"].as_str().context("an issuer without an id")?;
        let path = format!("/api/orgs/acme/auth/policies/oidcissuers/{id}");
        let policy = wire::once(port, &wire::get(&path, port, Some(admin_token)), 200).await?;
        let policy: Value = serde_json::from_slice(&policy)?;
        let id = policy["id"].as_str().context("policies without an id")?;
        let rules = json!({"sub": SUBJECT, "repository": "acme/website"});
        let allow = json!([{"decision": "allow", "tokenType": "organization", "rules": rules}]);
        let path = format!("/api/orgs/acme/auth/policies/{id}");
        let request = wire::patch(&path, port, admin_token, &json!({"policies": allow}));
        wire::once(port, &request, 200).await.map(drop)
    }

    /// Makes `count` exchanges, each with a token of its own.
    pub(crate) fn exchanges(&mut self, port: u16, count: usize) -> Result<Vec<Vec<u8>>> {
        let now = SystemClock.now().as_second();
        (0..count)
            .map(|_| {
                self.made += 1;
                let claims = json!({
                    "iss": self.url, "aud": "urn:runmint:org:acme", "sub": SUBJECT, "jti": self.made.to_string(),
                    "iat": now, "nbf": now, "exp": now + 300, "repository": "acme/website", "ref": "refs/heads/main",
                });
                let token = self.key.sign(self.key.signing_input(&claims)?)?;
                let form = form_urlencoded::Serializer::new(String::new())
                    .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
                    .append_pair("audience", "urn:runmint:org:acme")
                    .append_pair("subject_token_type", "urn:ietf:params:oauth:token-type:id_token")
                    .append_pair("requested_token_type", "urn:runmint:token-type:access_token:organization")
                    .append_pair("subject_token", &token)
                    .finish();
                Ok(wire::form("/api/oauth/token", port, &form))
            })
            .collect()
    }
}

impl Drop for ForeignIssuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Checks the sampled answers: access tokens, no two alike.
pub(crate) fn check(samples: &[Vec<u8>]) -> Result<()> {
    let mut seen = HashSet::new();
    for body in samples {
        let body: Value = serde_json::from_slice(body)?;
        let token = body["access_token"].as_str().filter(|token| token.starts_with("rmat_"));
        let token = token.context("an exchange without an access token")?;
        ensure!(seen.insert(token.to_owned()), "two exchanges gave one access token");
    }
    Ok(())
}
