//! What the world may read: discovery, the key set, and the contract of the API.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::Api;
use crate::publication::Document;

/// Verifiers may keep both documents this long.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

pub async fn configuration(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    serve(&api.app.publication.load().configuration, &headers)
}

pub async fn jwks(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    serve(&api.app.publication.load().jwks, &headers)
}

pub async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/yaml")], include_str!("../../openapi.yaml")).into_response()
}

fn serve(document: &Document, request: &HeaderMap) -> Response {
    let mut response = if is_current(request, &document.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, "application/json")], document.body.clone()).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, CACHE);
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if let Ok(etag) = HeaderValue::from_str(&document.etag) {
        headers.insert(ETAG, etag);
    }
    response
}

/// `If-None-Match` compares weakly, and may be a list (RFC 9110 §13.1.2).
fn is_current(request: &HeaderMap, etag: &str) -> bool {
    request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
    })
}
