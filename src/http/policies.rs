//! `/api/orgs/{org}/auth/policies`, in the form of Pulumi Cloud's API; explaining and replaying are ours.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Deserialize;

use super::Api;
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::path::TwoSegments;
use super::problem::Problem;
use super::query::{Query, cursor};
use super::trusted_issuers::for_owner;
use crate::api::OrNewer;
use crate::api::policies::{
    self as wire, Exchanges, ExplainPolicies, Explanation, IssuerPolicies, NotForAudience, RecordedExchange,
    ReplacePolicies, ReplayPolicies,
};
use crate::domain::access_token::Role;
use crate::domain::exchange::{Exchange, Exchanged, Outcome};
use crate::domain::trusted_issuer::TrustedIssuer;
use crate::flows::exchanges::list_exchanges;
use crate::flows::policies::{self, Difference, Explaining};
use crate::trust::lint::lint;
use crate::trust::policy::evaluation::Evaluation;
use crate::trust::token::UnverifiedToken;

pub async fn of_issuer(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
) -> Result<Json<IssuerPolicies>, Problem> {
    let (_, issuer) = for_owner(&api, &caller, &org, &id).await?;
    Ok(Json(render(issuer)?))
}

pub async fn replace(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
    body: UnreadBody<ReplacePolicies>,
) -> Result<Json<IssuerPolicies>, Problem> {
    let organization = caller.organization(&api.app, &org, Role::Owner).await?;
    let issuer = policies::find_policy(&api.app, &organization, &id).await?;
    let ReplacePolicies { policies } = body.json(&api).await?;
    let issuer = policies::replace_policies(&api.app, issuer, policies, caller.token_id()).await?;
    Ok(Json(render(issuer)?))
}

pub async fn explain(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
    body: UnreadBody<ExplainPolicies>,
) -> Result<Json<Explanation>, Problem> {
    let (organization, issuer) = for_owner(&api, &caller, &org, &id).await?;
    let ExplainPolicies { token, claims, asked, policies: draft } = body.json(&api).await?;
    let claims = match (token, claims) {
        (Some(token), None) => {
            let token = UnverifiedToken::parse(&token)
                .map_err(|error| Problem::invalid_input(format!("`token`: {error}.")))?;
            token.unverified_claims().clone()
        }
        (None, Some(claims)) => claims,
        _ => return Err(Problem::invalid_input("Send either `token` or `claims`.")),
    };
    let found = claims.get("aud").cloned().unwrap_or_default();
    let issuer_matches = claims.get("iss").is_some_and(|found| *found == issuer.url.as_str());
    let explaining = Explaining { claims, asked };
    let explained = policies::explain(&api.app, &organization, &issuer, draft, explaining).await?;
    let Evaluation { decision, explanation } = explained.evaluation;
    let not_for_audience =
        NotForAudience { policies: explained.left_out, expected: explained.expected_audiences.into(), found };
    Ok(Json(Explanation { decision, explanation, not_for_audience, issuer_matches }))
}

pub async fn replay(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
    body: UnreadBody<ReplayPolicies>,
) -> Result<Json<wire::Replay>, Problem> {
    let (organization, issuer) = for_owner(&api, &caller, &org, &id).await?;
    let ReplayPolicies { policies: draft, last } = body.json(&api).await?;
    let last = last.unwrap_or(policies::MAX_REPLAYED);
    let replay = policies::replay(&api.app, &organization, &issuer, draft, last).await?;
    let differences = replay.differences.into_iter().map(Into::into).collect();
    Ok(Json(wire::Replay { replayed: replay.replayed, differences }))
}

pub async fn exchanges(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    TwoSegments(org, id): TwoSegments,
    RawQuery(query): RawQuery,
) -> Result<Json<Exchanges>, Problem> {
    let (_, issuer) = for_owner(&api, &caller, &org, &id).await?;
    let page = Query::parse(query.as_deref(), &["limit", "cursor"])?.page()?;
    let found = list_exchanges(&api.app, &issuer, page).await?;
    let exchanges = found.items.into_iter().map(Into::into).collect();
    Ok(Json(Exchanges { exchanges, next_cursor: cursor(found.next) }))
}

fn render(issuer: TrustedIssuer) -> Result<IssuerPolicies, Problem> {
    let findings = lint(&policies::saved(&issuer)?, &issuer.url).into_iter().map(Into::into).collect();
    let policy = issuer.policy;
    Ok(IssuerPolicies {
        id: policy.id,
        version: policy.version,
        created: issuer.created_at,
        modified: policy.modified_at,
        policies: Vec::deserialize(policy.policies).map_err(policies::PolicyFlowError::Form)?,
        findings,
    })
}

impl From<Exchange> for wire::Exchange {
    fn from(exchange: Exchange) -> Self {
        Self {
            id: exchange.id,
            at: exchange.at,
            asked: OrNewer::read(exchange.asked),
            claims: exchange.claims,
            outcome: exchange.outcome.into(),
            policy_version: exchange.policy_version,
            caller: exchange.caller,
        }
    }
}

impl From<Exchanged> for RecordedExchange {
    fn from(exchanged: Exchanged) -> Self {
        Self { exchange: exchanged.exchange.into(), access_token_id: exchanged.access_token_id }
    }
}

impl From<Difference> for wire::Difference {
    fn from(difference: Difference) -> Self {
        let Difference { exchange, before, after } = difference;
        Self { exchange: exchange.into(), before: before.into(), after: after.into() }
    }
}

impl From<Outcome> for wire::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Allowed => Self::Allowed,
            Outcome::Denied => Self::Denied,
            Outcome::NoMatch => Self::NoMatch,
        }
    }
}
