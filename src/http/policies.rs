//! `/api/orgs/{org}/auth/policies`, in the form of Pulumi Cloud's API; explaining and replaying are ours.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Api;
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::path::TwoSegments;
use super::problem::Problem;
use super::query::Query;
use super::trusted_issuers::for_owner;
use crate::flows::policies::{self, Explaining};
use crate::store::access_tokens::Role;
use crate::store::exchanges::{Exchange, Exchanged};
use crate::store::trusted_issuers::TrustedIssuer;
use crate::trust::lint::lint;
use crate::trust::policy::PolicyDocument;
use crate::trust::policy::evaluation::Asked;
use crate::trust::token::UnverifiedToken;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    policies: Vec<PolicyDocument>,
}

/// Either a token, whose signature does not matter here, or claims.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    token: Option<String>,
    claims: Option<Map<String, Value>>,
    asked: Asked,
    /// Others than those in force.
    policies: Option<Vec<PolicyDocument>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    policies: Vec<PolicyDocument>,
    last: Option<u32>,
}

pub async fn of_issuer(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
) -> Result<Json<Value>, Problem> {
    let (_, issuer) = for_owner(&api, &caller, &org, &id).await?;
    Ok(Json(render(&issuer)?))
}

pub async fn replace(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
    body: UnreadBody,
) -> Result<Json<Value>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Owner).await?;
    let issuer = policies::find_policy(&api.app, &organization, &id).await?;
    let Replace { policies } = body.json(&api).await?;
    let issuer = policies::replace_policies(&api.app, issuer, policies, caller.token_id()).await?;
    Ok(Json(render(&issuer)?))
}

pub async fn explain(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
    body: UnreadBody,
) -> Result<Json<Value>, Problem> {
    let (organization, issuer) = for_owner(&api, &caller, &org, &id).await?;
    let Explain { token, claims, asked, policies: draft } = body.json(&api).await?;
    let claims = match (token, claims) {
        (Some(token), None) => {
            let token = UnverifiedToken::parse(&token)
                .map_err(|error| Problem::invalid_input(format!("`token`: {error}.")))?;
            token.unverified_claims().clone()
        }
        (None, Some(claims)) => claims,
        _ => return Err(Problem::invalid_input("Give either `token` or `claims`.")),
    };
    let (found, issuer_matches) =
        (claims.get("aud").cloned(), claims.get("iss").is_some_and(|found| *found == issuer.url.as_str()));
    let explaining = Explaining { claims, asked };
    let explained = policies::explain(&api.app, &organization, &issuer, draft, explaining).await?;
    let mut body = json!(explained.evaluation);
    body["not_for_audience"] = json!({
        "policies": explained.left_out, "expected": explained.expected_audiences, "found": found,
    });
    body["issuer_matches"] = issuer_matches.into();
    Ok(Json(body))
}

pub async fn replay(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
    body: UnreadBody,
) -> Result<Json<Value>, Problem> {
    let (organization, issuer) = for_owner(&api, &caller, &org, &id).await?;
    let Replay { policies: draft, last } = body.json(&api).await?;
    let last = last.unwrap_or(policies::MAX_REPLAYED);
    let replay = policies::replay(&api.app, &organization, &issuer, draft, last).await?;
    let differences: Vec<Value> = replay
        .differences
        .iter()
        .map(|one| {
            let mut shown = render_exchange(&one.exchange);
            shown["before"] = one.before.as_str().into();
            shown["after"] = one.after.as_str().into();
            shown
        })
        .collect();
    Ok(Json(json!({"replayed": replay.replayed, "differences": differences})))
}

pub async fn exchanges(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let (_, issuer) = for_owner(&api, &caller, &org, &id).await?;
    let page = Query::parse(query.as_deref(), &["limit", "cursor"])?.page()?;
    let found = api.app.store.exchanges(issuer.id, page).await?;
    let render = |one: &Exchanged| {
        let mut body = render_exchange(&one.exchange);
        body["access_token_id"] = json!(one.access_token_id);
        body
    };
    let exchanges: Vec<Value> = found.items.iter().map(render).collect();
    Ok(Json(json!({"exchanges": exchanges, "next_cursor": found.next})))
}

fn render(issuer: &TrustedIssuer) -> Result<Value, Problem> {
    let policy = &issuer.policy;
    let findings = lint(&policies::saved(issuer)?, &issuer.url);
    Ok(json!({
        "id": policy.id,
        "version": policy.version,
        "created": issuer.created_at,
        "modified": policy.modified_at,
        "policies": policy.policies,
        "findings": findings,
    }))
}

fn render_exchange(exchange: &Exchange) -> Value {
    json!({
        "id": exchange.id,
        "at": exchange.at,
        "asked": exchange.asked,
        "claims": exchange.claims,
        "outcome": exchange.outcome.as_str(),
        "policy_version": exchange.policy_version,
        "caller": exchange.caller,
    })
}
