//! `GET /api/runs/{id}/id-token`: the request protocol of GitHub Actions, which many tools speak.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::Api;
use super::credentials::bearer;
use super::path::PathSegment;
use super::peer::CallerAddress;
use super::problem::Problem;
use super::query::Query;
use crate::flows::mint_id_token::{MintRequest, mint_id_token};

pub async fn mint(
    State(api): State<Arc<Api>>,
    PathSegment(run_id): PathSegment,
    CallerAddress(caller): CallerAddress,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let request_token = bearer(&headers).ok_or_else(Problem::unauthorized)?;
    let query = Query::parse(query.as_deref(), &["api-version", "audience", "lifetime_seconds"])?;
    let request = MintRequest {
        run_id: &run_id,
        request_token,
        audience: query.text("audience"),
        lifetime_seconds: query.number("lifetime_seconds")?,
        caller,
    };
    let token = mint_id_token(&api.app, request).await?;
    Ok(Json(json!({"count": 1, "value": token})))
}
