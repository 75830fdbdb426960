//! `/api/orgs/{org}/runs` and `/api/runs/{id}`

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use indexmap::IndexMap;
use serde_json::Value;

use super::Api;
use super::answer::Created;
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::path::PathSegment;
use super::problem::Problem;
use super::query::{Query, cursor};
use crate::api::runs::{self as wire, RunEnvironment, RunPage};
use crate::app::App;
use crate::clouds::limits::LimitCheck;
use crate::domain::access_token::Role;
use crate::domain::principal::Access;
use crate::domain::run::{Ending, Run, RunFilter, RunState};
use crate::flows::end_run::end_run;
use crate::flows::mint_id_token::MintError;
use crate::flows::runs::list_runs;
use crate::flows::start_run::{self, StartRun, StartedRun, TokenContent, preview_run, token_content};
use crate::issuer::audience::Audience;
use crate::issuer::subject::{MAX_SUBJECT_BYTES, is_attribute_name};

pub async fn start(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    body: UnreadBody<wire::StartRun>,
) -> Result<Created<wire::StartedRun>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Orchestrator).await?;
    let body = body.json(&api).await?;
    caller.require_right(&body.attributes, Access::Write)?;
    caller.require_own_actor(&body.attributes)?;
    let token = caller.token();
    let started =
        start_run::start_run(&api.app, &organization, body.into(), token.id, token.origin.as_ref()).await?;
    let location = format!("{}/api/runs/{}", api.app.issuing.base_url, started.run.id);
    Ok(Created { location: Some(location), body: render_started(&api.app, started) })
}

pub async fn preview(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    RawQuery(query): RawQuery,
    body: UnreadBody<wire::StartRun>,
) -> Result<Json<wire::Preview>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Viewer).await?;
    let query = Query::parse(query.as_deref(), &["audience"])?;
    let audience = audience(&query)?;
    let body = body.json(&api).await?;
    caller.require_right(&body.attributes, Access::Read)?;
    let origin = caller.token().origin.as_ref();
    let preview = preview_run(&api.app, &organization, body.into(), origin, audience).await?;
    Ok(Json(wire::Preview {
        subject_bytes: preview.content.subject.len() as u64,
        limits: preview.limits.into_iter().map(Into::into).collect(),
        cloud: preview.cloud,
        content: preview.content.into(),
    }))
}

pub async fn list(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(org): PathSegment,
    RawQuery(query): RawQuery,
) -> Result<Json<RunPage>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Viewer).await?;
    let query =
        Query::parse(query.as_deref(), &["state", "service", "subject", "audience", "limit", "cursor"])?;
    let page = query.page()?;
    let audience = audience(&query)?;
    let state = query.text("state").map(|text| {
        RunState::parse(text).ok_or_else(|| {
            Problem::bad_request("`state` must be `active`, `finished`, `cancelled` or `expired`.")
        })
    });
    let service = query.text("service");
    if service.is_some_and(|name| !is_attribute_name(name)) {
        return Err(Problem::bad_request("`service` must be the name of a service, such as `deploy`."));
    }
    let subject = query.text("subject");
    if subject.is_some_and(|text| !is_possible_subject(text)) {
        return Err(Problem::bad_request("`subject` must be a complete subject, as runs show it."));
    }
    let filter = RunFilter {
        state: state.transpose()?,
        service: service.map(str::to_owned),
        subject: subject.map(str::to_owned),
    };
    let found = list_runs(&api.app, &caller, &organization, &filter, page).await?;
    let runs = found.items.into_iter().map(|run| render(&api.app, run, audience)).collect();
    Ok(Json(RunPage { runs, next_cursor: cursor(found.next) }))
}

pub async fn show(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(id): PathSegment,
    RawQuery(query): RawQuery,
) -> Result<Json<wire::Run>, Problem> {
    let run = caller.run(&api.app, &id, Role::Viewer).await?;
    let query = Query::parse(query.as_deref(), &["audience"])?;
    Ok(Json(render(&api.app, run, audience(&query)?)))
}

pub async fn finish(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(id): PathSegment,
) -> Result<Json<wire::Run>, Problem> {
    let run = caller.run(&api.app, &id, Role::Orchestrator).await?;
    let run = end_run(&api.app, run.id, Ending::Finished, caller.token_id()).await?;
    Ok(Json(render(&api.app, run, None)))
}

pub async fn cancel(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(id): PathSegment,
) -> Result<Json<wire::Run>, Problem> {
    let run = caller.run(&api.app, &id, Role::Orchestrator).await?;
    let run = end_run(&api.app, run.id, Ending::Cancelled, caller.token_id()).await?;
    Ok(Json(render(&api.app, run, None)))
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

fn render(app: &App, run: Run, audience: Option<&str>) -> wire::Run {
    let state = run.state_at(app.clock.now());
    let content = token_content(app, &run, audience).into();
    wire::Run {
        id: run.id,
        organization: run.organization,
        service: run.service,
        state: state.into(),
        attributes: run.attributes,
        audiences: run.audiences,
        cloud: run.cloud,
        origin: run.origin.map(Into::into),
        created_at: run.created_at,
        expires_at: run.expires_at,
        ended_at: if state == RunState::Expired { Some(run.expires_at) } else { run.ended_at },
        content,
    }
}

/// The run, and what its runner needs in its environment to ask for tokens. `request_url` holds a `?`
/// already, since clients of GitHub's protocol append `&audience=`.
pub(super) fn render_started(app: &App, started: StartedRun) -> wire::StartedRun {
    let StartedRun { run, request_token } = started;
    let request_url = format!("{}/api/runs/{}/id-token?api-version=1", app.issuing.base_url, run.id);
    let request_token = request_token.expose().to_owned();
    let environment = RunEnvironment {
        actions_id_token_request_url: request_url.clone(),
        actions_id_token_request_token: request_token.clone(),
        runmint_id_token_request_url: request_url.clone(),
        runmint_id_token_request_token: request_token.clone(),
        runmint_run_id: run.id,
        runmint_url: app.issuing.base_url.as_str().to_owned(),
        runmint_cloud_settings: (!run.cloud.is_empty()).then(|| Value::Object(run.cloud.clone()).to_string()),
        others: IndexMap::new(),
    };
    wire::StartedRun { run: render(app, run, None), request_url, request_token, environment }
}

impl From<wire::StartRun> for StartRun {
    fn from(body: wire::StartRun) -> Self {
        let wire::StartRun { service, attributes, ttl_seconds, audiences } = body;
        Self { service, attributes, ttl_seconds, audiences }
    }
}

impl From<TokenContent> for wire::TokenContent {
    fn from(content: TokenContent) -> Self {
        let TokenContent { subject, claims, refused } = content;
        match refused {
            None => Self { subject: Some(subject), claims: Some(claims), refused: None },
            Some(why) => Self { subject: None, claims: None, refused: Some(why) },
        }
    }
}

impl From<RunState> for wire::RunState {
    fn from(state: RunState) -> Self {
        match state {
            RunState::Active => Self::Active,
            RunState::Finished => Self::Finished,
            RunState::Cancelled => Self::Cancelled,
            RunState::Expired => Self::Expired,
        }
    }
}

impl From<LimitCheck> for wire::Limit {
    fn from(check: LimitCheck) -> Self {
        Self {
            relying_party: check.relying_party.to_owned(),
            what: check.what.to_owned(),
            limit: check.limit.map(|limit| limit as u64),
            actual: check.actual.map(|actual| actual as u64),
            ok: check.ok,
            advice: (!check.ok).then(|| check.advice.to_owned()),
        }
    }
}
