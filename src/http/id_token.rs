//! `GET /api/runs/{id}/id-token`: the request protocol of GitHub Actions, which many tools speak.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;

use super::Api;
use super::credentials::bearer;
use super::path::PathSegment;
use super::peer::CallerAddress;
use super::problem::Problem;
use super::query::Query;
use crate::api::id_token::IdToken;
use crate::flows::mint_id_token::{MintRequest, authenticate_run, mint_id_token};

/// The only version there is. Part of each request URL, so that the protocol can grow.
const API_VERSION: &str = "1";

pub async fn mint(
    State(api): State<Arc<Api>>,
    PathSegment(run_id): PathSegment,
    CallerAddress(caller): CallerAddress,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<IdToken>, Problem> {
    let request_token = bearer(&headers).ok_or_else(Problem::unauthorized)?;
    let run = authenticate_run(&api.app, &run_id, request_token).await?;
    let query = Query::parse(query.as_deref(), &["api-version", "audience", "lifetime_seconds"])?;
    if query.text("api-version").is_some_and(|version| version != API_VERSION) {
        return Err(Problem::bad_request("`api-version` must be `1`."));
    }
    let request = MintRequest {
        audience: query.text("audience"),
        lifetime_seconds: query.number("lifetime_seconds")?,
        caller,
    };
    let token = mint_id_token(&api.app, &run, request).await?;
    Ok(Json(IdToken { count: 1, value: token }))
}
