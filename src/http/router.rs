//! Every address, as a table of contents.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, patch, post, put};

use super::problem::Problem;
use super::{
    Api, access_tokens, audience_profiles, cloud_settings, discovery, health, id_token, keys, metrics, oauth,
    organizations, policies, principals, runs, snapshot_verifiers, trusted_issuers, user,
};
use crate::domain::principal::PrincipalKind::{Team, User};
use crate::issuer::discovery::{CONFIGURATION_PATH, JWKS_PATH};

pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    handler: MethodRouter<Arc<Api>>,
}

fn route(method: &'static str, path: &'static str, handler: MethodRouter<Arc<Api>>) -> Route {
    Route { method, path, handler }
}

/// The routes under the base URL; openapi.yaml documents exactly these and the issuer's two.
pub fn routes() -> Vec<Route> {
    vec![
        route("get", "/openapi.yaml", get(discovery::openapi)),
        route("get", "/healthz", get(health::healthz)),
        route("get", "/readyz", get(health::readyz)),
        route("get", "/version", get(health::version)),
        route(
            "get",
            "/orgs/{org}/oidc/.well-known/openid-configuration",
            get(discovery::configuration_of_organization),
        ),
        route("get", "/metrics", get(metrics::metrics)),
        route("get", "/orgs/{org}/oidc/.well-known/jwks", get(discovery::jwks_of_organization)),
        route("post", "/api/orgs", post(organizations::create)),
        route("get", "/api/orgs", get(organizations::list)),
        route("get", "/api/orgs/{org}", get(organizations::show)),
        route("delete", "/api/orgs/{org}", delete(organizations::delete)),
        route("post", "/api/orgs/{org}/access-tokens", post(access_tokens::create_in_organization)),
        route("get", "/api/orgs/{org}/access-tokens", get(access_tokens::list_of_organization)),
        route("post", "/api/access-tokens", post(access_tokens::create_admin)),
        route("get", "/api/access-tokens", get(access_tokens::list_admin)),
        route("get", "/api/access-tokens/{id}", get(access_tokens::show)),
        route("delete", "/api/access-tokens/{id}", delete(access_tokens::revoke)),
        route("get", "/api/keys", get(keys::list)),
        route("post", "/api/keys/rotate", post(keys::rotate)),
        route("post", "/api/keys/reseal", post(keys::reseal)),
        route("get", "/api/keys/documents", get(keys::documents)),
        route("post", "/api/keys/{id}/revoke", post(keys::revoke)),
        route("get", "/api/keys/{id}/id-tokens", get(keys::id_tokens)),
        route("post", "/api/snapshot-verifiers", post(snapshot_verifiers::create)),
        route("get", "/api/snapshot-verifiers", get(snapshot_verifiers::list)),
        route("delete", "/api/snapshot-verifiers/{id}", delete(snapshot_verifiers::delete)),
        route("post", "/api/snapshot-verifiers/{id}/acknowledge", post(snapshot_verifiers::acknowledge_keys)),
        route("post", "/api/oauth/token", post(oauth::token)),
        route("get", "/api/user", get(user::show)),
        route("get", "/api/orgs/{org}/auth/policies/oidcissuers/{id}", get(policies::of_issuer)),
        route("get", "/api/orgs/{org}/auth/policies/oidcissuers/{id}/exchanges", get(policies::exchanges)),
        route("post", "/api/orgs/{org}/auth/policies/oidcissuers/{id}/explain", post(policies::explain)),
        route("post", "/api/orgs/{org}/auth/policies/oidcissuers/{id}/replay", post(policies::replay)),
        route("patch", "/api/orgs/{org}/auth/policies/{id}", patch(policies::replace)),
        route("post", "/api/orgs/{org}/oidc/issuers", post(trusted_issuers::register)),
        route("get", "/api/orgs/{org}/oidc/issuers", get(trusted_issuers::list)),
        route("get", "/api/orgs/{org}/oidc/issuers/{id}", get(trusted_issuers::show)),
        route("patch", "/api/orgs/{org}/oidc/issuers/{id}", patch(trusted_issuers::update)),
        route("delete", "/api/orgs/{org}/oidc/issuers/{id}", delete(trusted_issuers::delete)),
        route(
            "post",
            "/api/orgs/{org}/oidc/issuers/{id}/regenerate-thumbprints",
            post(trusted_issuers::regenerate),
        ),
        route("post", "/api/orgs/{org}/teams", principals::create(Team)),
        route("get", "/api/orgs/{org}/teams", principals::list(Team)),
        route("get", "/api/orgs/{org}/teams/{name}", principals::show(Team)),
        route("patch", "/api/orgs/{org}/teams/{name}", principals::change(Team)),
        route("delete", "/api/orgs/{org}/teams/{name}", principals::remove(Team)),
        route("post", "/api/orgs/{org}/users", principals::create(User)),
        route("get", "/api/orgs/{org}/users", principals::list(User)),
        route("get", "/api/orgs/{org}/users/{name}", principals::show(User)),
        route("patch", "/api/orgs/{org}/users/{name}", principals::change(User)),
        route("delete", "/api/orgs/{org}/users/{name}", principals::remove(User)),
        route("get", "/api/orgs/{org}/cloud-settings", get(cloud_settings::show)),
        route("put", "/api/orgs/{org}/cloud-settings", put(cloud_settings::replace)),
        route("get", "/api/orgs/{org}/audience-profiles", get(audience_profiles::show)),
        route("put", "/api/orgs/{org}/audience-profiles", put(audience_profiles::replace)),
        route("get", "/api/orgs/{org}/audience-profiles/usage", get(audience_profiles::used)),
        route("post", "/api/orgs/{org}/runs", post(runs::start)),
        route("get", "/api/orgs/{org}/runs", get(runs::list)),
        route("post", "/api/orgs/{org}/runs/preview", post(runs::preview)),
        route("get", "/api/runs/{id}", get(runs::show)),
        route("post", "/api/runs/{id}/finish", post(runs::finish)),
        route("post", "/api/runs/{id}/cancel", post(runs::cancel)),
        // GET alone: axum would let HEAD through to the GET handler, and each call mints a token.
        route("get", "/api/runs/{id}/id-token", get(id_token::mint).head(id_token::refuse_head)),
    ]
}

/// The whole service. `request_timeout` bounds the work on one request.
pub fn router(api: Arc<Api>, request_timeout: Duration) -> Router {
    let mut under_base = Router::new();
    for Route { path, handler, .. } in routes() {
        under_base = under_base.route(path, handler);
    }
    let base = api.app.issuing.base_url.path().to_owned();
    let issuer = api.app.issuing.issuer.path();
    let nested = if base.is_empty() { under_base } else { Router::new().nest(&base, under_base) };
    nested
        .route(&format!("{issuer}{CONFIGURATION_PATH}"), get(discovery::configuration))
        .route(&format!("{issuer}{JWKS_PATH}"), get(discovery::jwks))
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(refuse_method)
        .layer(middleware::from_fn(move |request, next| finish(request, next, request_timeout)))
        .with_state(api)
}

async fn refuse_method() -> Problem {
    Problem::method_not_allowed()
}

/// Bounds the time, and keeps answers out of caches unless they say otherwise.
async fn finish(request: Request, next: Next, request_timeout: Duration) -> Response {
    let answered = tokio::time::timeout(request_timeout, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| {
        tracing::warn!("a request took too long and was given up");
        axum::response::IntoResponse::into_response(Problem::unavailable())
    });
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
