//! Every address, as a table of contents.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::HeaderValue;
use axum::http::header::{ALLOW, CACHE_CONTROL, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{self, MethodRouter};
use tower_http::catch_panic::CatchPanicLayer;

use super::contract::{Contract, Documented};
use super::problem::Problem;
use super::{
    Api, access_tokens, audience_profiles, cloud_settings, discovery, health, id_token, keys, metrics, oauth,
    organizations, panics, policies, principals, runs, snapshot_verifiers, trusted_issuers, user,
};
use crate::api::principals::{Teams, Users};
use crate::issuer::discovery::{CONFIGURATION_PATH, JWKS_PATH};

pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub contract: Contract,
    handler: MethodRouter<Arc<Api>>,
}

/// Functions that make a route of a path and a handler.
macro_rules! methods {
    ($($method:ident),*) => {$(
        fn $method<H, M: 'static, A>(path: &'static str, handler: H) -> Route
        where
            H: Handler<M, Arc<Api>> + Documented<A>,
        {
            let contract = handler.contract();
            Route { method: stringify!($method), path, contract, handler: routing::$method(handler) }
        }
    )*};
}

methods!(delete, get, patch, post, put);

impl Route {
    /// axum would let HEAD through to the handler of GET.
    fn without_head(self) -> Self {
        Self { handler: self.handler.head(refuse_head), ..self }
    }
}

/// The routes under the base URL; openapi.yaml documents exactly these and those of the issuer.
#[expect(clippy::too_many_lines, reason = "one line for each route")]
pub fn routes() -> Vec<Route> {
    vec![
        get("/openapi.yaml", discovery::openapi),
        get("/healthz", health::healthz),
        get("/readyz", health::readyz),
        get("/version", health::version),
        get("/orgs/{org}/oidc/.well-known/openid-configuration", discovery::configuration_of_organization),
        get("/metrics", metrics::metrics),
        get("/orgs/{org}/oidc/.well-known/jwks", discovery::jwks_of_organization),
        post("/api/orgs", organizations::create),
        get("/api/orgs", organizations::list),
        get("/api/orgs/{org}", organizations::show),
        delete("/api/orgs/{org}", organizations::delete),
        post("/api/orgs/{org}/access-tokens", access_tokens::create_in_organization),
        get("/api/orgs/{org}/access-tokens", access_tokens::list_of_organization),
        post("/api/access-tokens", access_tokens::create_admin),
        get("/api/access-tokens", access_tokens::list_admin),
        get("/api/access-tokens/{id}", access_tokens::show),
        delete("/api/access-tokens/{id}", access_tokens::revoke),
        get("/api/keys", keys::list),
        post("/api/keys/rotate", keys::rotate),
        post("/api/keys/reseal", keys::reseal),
        get("/api/keys/documents", keys::documents),
        post("/api/keys/{id}/revoke", keys::revoke),
        get("/api/keys/{id}/id-tokens", keys::id_tokens),
        post("/api/snapshot-verifiers", snapshot_verifiers::create),
        get("/api/snapshot-verifiers", snapshot_verifiers::list),
        delete("/api/snapshot-verifiers/{id}", snapshot_verifiers::delete),
        post("/api/snapshot-verifiers/{id}/acknowledge", snapshot_verifiers::acknowledge_keys),
        post("/api/oauth/token", oauth::token),
        get("/api/user", user::show),
        get("/api/orgs/{org}/auth/policies/oidcissuers/{id}", policies::of_issuer),
        get("/api/orgs/{org}/auth/policies/oidcissuers/{id}/exchanges", policies::exchanges),
        post("/api/orgs/{org}/auth/policies/oidcissuers/{id}/explain", policies::explain),
        post("/api/orgs/{org}/auth/policies/oidcissuers/{id}/replay", policies::replay),
        patch("/api/orgs/{org}/auth/policies/{id}", policies::replace),
        post("/api/orgs/{org}/oidc/issuers", trusted_issuers::register),
        get("/api/orgs/{org}/oidc/issuers", trusted_issuers::list),
        get("/api/orgs/{org}/oidc/issuers/{id}", trusted_issuers::show),
        patch("/api/orgs/{org}/oidc/issuers/{id}", trusted_issuers::update),
        delete("/api/orgs/{org}/oidc/issuers/{id}", trusted_issuers::delete),
        post("/api/orgs/{org}/oidc/issuers/{id}/regenerate-thumbprints", trusted_issuers::regenerate),
        post("/api/orgs/{org}/teams", principals::create::<Teams>),
        get("/api/orgs/{org}/teams", principals::list::<Teams>),
        get("/api/orgs/{org}/teams/{name}", principals::show::<Teams>),
        patch("/api/orgs/{org}/teams/{name}", principals::change::<Teams>),
        delete("/api/orgs/{org}/teams/{name}", principals::remove::<Teams>),
        post("/api/orgs/{org}/users", principals::create::<Users>),
        get("/api/orgs/{org}/users", principals::list::<Users>),
        get("/api/orgs/{org}/users/{name}", principals::show::<Users>),
        patch("/api/orgs/{org}/users/{name}", principals::change::<Users>),
        delete("/api/orgs/{org}/users/{name}", principals::remove::<Users>),
        get("/api/orgs/{org}/cloud-settings", cloud_settings::show),
        put("/api/orgs/{org}/cloud-settings", cloud_settings::replace),
        get("/api/orgs/{org}/audience-profiles", audience_profiles::show),
        put("/api/orgs/{org}/audience-profiles", audience_profiles::replace),
        get("/api/orgs/{org}/audience-profiles/usage", audience_profiles::used),
        post("/api/orgs/{org}/runs", runs::start),
        get("/api/orgs/{org}/runs", runs::list),
        post("/api/orgs/{org}/runs/preview", runs::preview),
        get("/api/runs/{id}", runs::show),
        post("/api/runs/{id}/finish", runs::finish),
        post("/api/runs/{id}/cancel", runs::cancel),
        // Each call mints a token.
        get("/api/runs/{id}/id-token", id_token::mint).without_head(),
    ]
}

/// The routes under the shared issuer.
pub fn issuer_routes() -> Vec<Route> {
    vec![get(CONFIGURATION_PATH, discovery::configuration), get(JWKS_PATH, discovery::jwks)]
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
    let with_issuer = issuer_routes().into_iter().fold(nested, |router, Route { path, handler, .. }| {
        router.route(&format!("{issuer}{path}"), handler)
    });
    let routes = with_issuer
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(refuse_method)
        .with_state(api);
    always_answered(routes, request_timeout)
}

/// Every request is answered in time, even if its handler panics.
fn always_answered(routes: Router, request_timeout: Duration) -> Router {
    routes
        .layer(CatchPanicLayer::custom(panics::answer))
        .layer(middleware::from_fn(move |request, next| finish(request, next, request_timeout)))
}

async fn refuse_head() -> ([(HeaderName, &'static str); 1], Problem) {
    ([(ALLOW, "GET")], Problem::method_not_allowed())
}

async fn refuse_method() -> Problem {
    Problem::method_not_allowed()
}

/// Bounds the time, and keeps answers out of caches unless they say otherwise.
async fn finish(request: Request, next: Next, request_timeout: Duration) -> Response {
    let answered = tokio::time::timeout(request_timeout, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| {
        tracing::warn!("request abandoned: it took longer than request_timeout");
        axum::response::IntoResponse::into_response(Problem::unavailable())
    });
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::StatusCode;
    use axum::http::header::CONTENT_TYPE;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::*;

    async fn answer(path: &str) -> Response {
        let routes = Router::new()
            .route("/at-once", routing::get(|| async { panic!("at once") as StatusCode }))
            .route(
                "/later",
                routing::get(|| async {
                    tokio::task::yield_now().await;
                    panic!("later") as StatusCode
                }),
            )
            .route("/never", routing::get(std::future::pending::<StatusCode>))
            .route("/fine", routing::get(|| async { "fine" }));
        let request = Request::get(path).body(Body::empty()).unwrap();
        always_answered(routes, Duration::from_millis(50)).oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_as_an_internal_error() {
        for path in ["/at-once", "/later"] {
            let answer = answer(path).await;
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let header = |name| answer.headers()[name].to_str().unwrap().to_owned();
            assert_eq!(header(CONTENT_TYPE), "application/problem+json");
            assert_eq!(header(CACHE_CONTROL), "no-store");
            assert_eq!(header(X_CONTENT_TYPE_OPTIONS), "nosniff");
            let body = to_bytes(answer.into_body(), 1024).await.unwrap();
            let document = json!({
                "type": "urn:runmint:problem:internal",
                "title": "Internal error",
                "status": 500,
                "detail": "The server failed; its log says why.",
            });
            assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), document);
        }
    }

    #[tokio::test]
    async fn other_answers_pass_and_slow_handlers_are_given_up() {
        assert_eq!(to_bytes(answer("/fine").await.into_body(), 1024).await.unwrap(), "fine");
        assert_eq!(answer("/never").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
