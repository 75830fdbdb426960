//! What the world may read: discovery, the key set, and the contract of the API.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;

use super::Api;
use super::answer::Text;
use super::contract::{Answers, SchemaOf, schema_of};
use super::path::PathSegment;
use super::problem::Problem;
use crate::api::discovery::{Discovery, JwkSet};
use crate::flows::refresh_keys::{SPACING, refresh_if_older};
use crate::publication::{Document, Publication};
use crate::signing::keyring::IssuerId;

/// The document `T` of an issuer, or that it has not changed.
pub struct Published<T> {
    response: Response,
    document: PhantomData<fn() -> T>,
}

impl<T> IntoResponse for Published<T> {
    fn into_response(self) -> Response {
        self.response
    }
}

impl<T: JsonSchema> Answers for Published<T> {
    fn answers() -> Vec<(StatusCode, Option<SchemaOf>)> {
        vec![(StatusCode::OK, Some(schema_of::<T>))]
    }
}

pub async fn configuration(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
) -> Result<Published<Discovery>, Problem> {
    let publication = shared(&api).await?;
    Ok(serve(&api, &publication.configuration, &headers))
}

pub async fn jwks(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Published<JwkSet>, Problem> {
    let publication = shared(&api).await?;
    publication.was_fetched(api.app.clock.now());
    Ok(serve(&api, &publication.jwks, &headers))
}

pub async fn configuration_of_organization(
    State(api): State<Arc<Api>>,
    PathSegment(org): PathSegment,
    headers: HeaderMap,
) -> Result<Published<Discovery>, Problem> {
    let publication = of_organization(&api, &org).await?;
    Ok(serve(&api, &publication.configuration, &headers))
}

pub async fn jwks_of_organization(
    State(api): State<Arc<Api>>,
    PathSegment(org): PathSegment,
    headers: HeaderMap,
) -> Result<Published<JwkSet>, Problem> {
    let publication = of_organization(&api, &org).await?;
    publication.was_fetched(api.app.clock.now());
    Ok(serve(&api, &publication.jwks, &headers))
}

async fn shared(api: &Api) -> Result<Arc<Publication>, Problem> {
    refuse_stale(api).await?;
    let served = api.app.serving.peek();
    served.publication_of(IssuerId::Shared).cloned().ok_or_else(Problem::unavailable)
}

async fn of_organization(api: &Api, name: &str) -> Result<Arc<Publication>, Problem> {
    let known = || api.app.serving.peek().publication_of_organization(name).cloned();
    let found = match known() {
        Some(found) => Some(found),
        // Another process may have made it a moment ago.
        None => refresh_if_older(&api.app, SPACING).await.publication_of_organization(name).cloned(),
    };
    refuse_stale(api).await?;
    found.ok_or_else(Problem::not_found)
}

/// Rather no key set than one that may lack the key that signs, or have one that was revoked long ago.
async fn refuse_stale(api: &Api) -> Result<(), Problem> {
    let app = &api.app;
    let fresh = || app.serving.standing().may_serve(&app.rotation, app.clock.now());
    if fresh() {
        return Ok(());
    }
    refresh_if_older(app, SPACING).await;
    if fresh() { Ok(()) } else { Err(Problem::unavailable()) }
}

pub async fn openapi() -> Text<&'static str> {
    Text("application/yaml", include_str!("../../openapi.yaml"))
}

fn serve<T>(api: &Api, document: &Document, request: &HeaderMap) -> Published<T> {
    let mut response = if is_current(request, &document.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, "application/json")], document.body.clone()).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, api.cache_control.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if let Ok(etag) = HeaderValue::from_str(&document.etag) {
        headers.insert(ETAG, etag);
    }
    Published { response, document: PhantomData }
}

/// `If-None-Match` compares weakly, and may be a list (RFC 9110 §13.1.2).
fn is_current(request: &HeaderMap, etag: &str) -> bool {
    request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
    })
}
