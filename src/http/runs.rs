//! `/api/orgs/{org}/runs` and `/api/runs/{id}`

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::path::PathSegment;
use super::problem::Problem;
use super::query::Query;
use crate::app::App;
use crate::flows::end_run::end_run;
use crate::flows::mint_id_token::MintError;
use crate::flows::start_run::{self, StartRun, StartedRun, Told, preview_run, tell};
use crate::issuer::audience::Audience;
use crate::issuer::service::Attributes;
use crate::issuer::subject::{MAX_SUBJECT_BYTES, is_attribute_name};
use crate::store::access_tokens::Role;
use crate::store::principals::Access;
use crate::store::runs::{Ending, Run, RunFilter, RunState};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartRunBody {
    service: String,
    #[serde(deserialize_with = "runmint_json::unique")]
    attributes: Attributes,
    ttl_seconds: Option<i64>,
    audiences: Option<Vec<String>>,
}

impl From<StartRunBody> for StartRun {
    fn from(body: StartRunBody) -> Self {
        let StartRunBody { service, attributes, ttl_seconds, audiences } = body;
        Self { service, attributes, ttl_seconds, audiences }
    }
}

pub async fn start(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    body: UnreadBody,
) -> Result<Response, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Orchestrator).await?;
    let body: StartRunBody = body.json(&api).await?;
    caller.require_right(&body.attributes, Access::Write)?;
    caller.require_own_actor(&body.attributes)?;
    let token = caller.token();
    let started =
        start_run::start_run(&api.app, &organization, body.into(), token.id, token.origin.as_ref()).await?;
    let location = format!("{}/api/runs/{}", api.app.base_url, started.run.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(render_started(&api.app, &started)))
        .into_response())
}

pub async fn preview(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    RawQuery(query): RawQuery,
    body: UnreadBody,
) -> Result<Json<Value>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Viewer).await?;
    let query = Query::parse(query.as_deref(), &["audience"])?;
    let audience = audience(&query)?;
    let body: StartRunBody = body.json(&api).await?;
    caller.require_right(&body.attributes, Access::Read)?;
    let origin = caller.token().origin.as_ref();
    let preview = preview_run(&api.app, &organization, body.into(), origin, audience).await?;
    let limits: Vec<Value> = preview
        .limits
        .iter()
        .map(|check| {
            json!({
                "relying_party": check.relying_party,
                "what": check.what,
                "limit": check.limit,
                "actual": check.actual,
                "ok": check.ok,
                "advice": (!check.ok).then_some(check.advice),
            })
        })
        .collect();
    let mut body = json!({
        "subject_bytes": preview.told.subject.len(),
        "limits": limits,
        "cloud": preview.cloud,
    });
    say(&mut body, preview.told);
    Ok(Json(body))
}

pub async fn list(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Viewer).await?;
    let query =
        Query::parse(query.as_deref(), &["state", "service", "subject", "audience", "limit", "cursor"])?;
    let page = query.page()?;
    let audience = audience(&query)?;
    let state = query.text("state").map(|text| {
        RunState::parse(text)
            .ok_or_else(|| Problem::bad_request("`state` is active, finished, cancelled or expired."))
    });
    let service = query.text("service");
    if service.is_some_and(|name| !is_attribute_name(name)) {
        return Err(Problem::bad_request("`service` is the name of a service, such as deploy."));
    }
    let subject = query.text("subject");
    if subject.is_some_and(|text| !is_possible_subject(text)) {
        return Err(Problem::bad_request("`subject` is a whole subject, as a run shows it."));
    }
    let filter = RunFilter {
        state: state.transpose()?,
        service: service.map(str::to_owned),
        subject: subject.map(str::to_owned),
    };
    let found = api.app.store.runs(organization.id, &filter, page, api.app.clock.now()).await?;
    let visible = found.items.iter().filter(|run| caller.covers(&run.attributes, Access::Read));
    let runs: Vec<Value> = visible.map(|run| render(&api.app, run, audience)).collect();
    Ok(Json(json!({"runs": runs, "next_cursor": found.next})))
}

pub async fn show(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(id): PathSegment,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let run = caller.run(&api.app, &id, Role::Viewer).await?;
    let query = Query::parse(query.as_deref(), &["audience"])?;
    Ok(Json(render(&api.app, &run, audience(&query)?)))
}

pub async fn finish(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(id): PathSegment,
) -> Result<Json<Value>, Problem> {
    let run = caller.run(&api.app, &id, Role::Orchestrator).await?;
    let run = end_run(&api.app, run.id, Ending::Finished, caller.token_id()).await?;
    Ok(Json(render(&api.app, &run, None)))
}

pub async fn cancel(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(id): PathSegment,
) -> Result<Json<Value>, Problem> {
    let run = caller.run(&api.app, &id, Role::Orchestrator).await?;
    let run = end_run(&api.app, run.id, Ending::Cancelled, caller.token_id()).await?;
    Ok(Json(render(&api.app, &run, None)))
}

fn is_possible_subject(text: &str) -> bool {
    (1..=MAX_SUBJECT_BYTES).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

/// The one whose tokens are asked about.
fn audience(query: &Query) -> Result<Option<&str>, Problem> {
    let audience = query.text("audience");
    audience.map(Audience::parse).transpose().map_err(MintError::from)?;
    Ok(audience)
}

fn say(body: &mut Value, told: Told) {
    let Told { subject, claims, refused } = told;
    match refused {
        None => {
            body["subject"] = subject.into();
            body["claims"] = claims.into();
        }
        Some(why) => {
            body["subject"] = Value::Null;
            body["claims"] = Value::Null;
            body["refused"] = why.into();
        }
    }
}

fn render(app: &App, run: &Run, audience: Option<&str>) -> Value {
    let state = run.state_at(app.clock.now());
    let mut body = json!({
        "id": run.id,
        "organization": run.organization,
        "service": run.service,
        "state": state.as_str(),
        "attributes": run.attributes,
        "audiences": run.audiences,
        "cloud": run.cloud,
        "origin": run.origin,
        "created_at": run.created_at,
        "expires_at": run.expires_at,
        "ended_at": if state == RunState::Expired { Some(run.expires_at) } else { run.ended_at },
    });
    say(&mut body, tell(app, run, audience));
    body
}

/// The run, and what its runner needs in its environment to ask for tokens. `request_url` holds a `?`
/// already, since clients of GitHub's protocol append `&audience=`.
pub(super) fn render_started(app: &App, started: &StartedRun) -> Value {
    let request_url = format!("{}/api/runs/{}/id-token?api-version=1", app.base_url, started.run.id);
    let request_token = started.request_token.expose();
    let mut body = render(app, &started.run, None);
    body["request_url"] = request_url.as_str().into();
    body["request_token"] = request_token.into();
    body["environment"] = json!({
        "ACTIONS_ID_TOKEN_REQUEST_URL": request_url,
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": request_token,
        "RUNMINT_ID_TOKEN_REQUEST_URL": request_url,
        "RUNMINT_ID_TOKEN_REQUEST_TOKEN": request_token,
        "RUNMINT_RUN_ID": started.run.id,
        "RUNMINT_URL": app.base_url.as_str(),
    });
    if !started.run.cloud.is_empty() {
        let settings = Value::Object(started.run.cloud.clone()).to_string();
        body["environment"]["RUNMINT_CLOUD_SETTINGS"] = settings.into();
    }
    body
}
