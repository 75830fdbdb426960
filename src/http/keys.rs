//! `/api/keys`

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::path::PathSegment;
use super::problem::Problem;
use super::query::Query;
use crate::domain::access_token::Role;
use crate::domain::id_token::SignedToken;
use crate::domain::signing_key::Which;
use crate::flows::authorize::Caller;
use crate::flows::key_timeline::{TimelineKey, key_timeline, own_issuer};
use crate::flows::reseal_keys::reseal_keys;
use crate::flows::revoke_key::{revoke_key, unexpired_tokens};
use crate::flows::rotate_keys::rotate_now;
use crate::serving::RingNotice;
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::keyring::{IssuerId, RingId};
use crate::signing::rotation::KeyState;

pub async fn list(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    caller.require_admin()?;
    let query = Query::parse(query.as_deref(), &["organization", "all"])?;
    let issuer = match query.text("organization") {
        None => None,
        Some(name) => Some(issuer_named(&api, &caller, Some(name)).await?),
    };
    let which = match query.text("all") {
        None | Some("false") => Which::Published,
        Some("true") => Which::All,
        Some(_) => return Err(Problem::bad_request("`all` is `true` or `false`.")),
    };
    let timeline = key_timeline(&api.app, issuer, which).await?;
    let of_list = |key: &&TimelineKey| which == Which::All || key.state.is_published();
    let keys: Vec<Value> = timeline.keys.iter().filter(of_list).map(|key| render(&api, key)).collect();
    let replicas = timeline.replicas.iter().map(|replica| {
        json!({
            "name": replica.name,
            "version": replica.version,
            "sealing_keys": replica.sealing_keys,
            "seen_at": replica.seen_at,
        })
    });
    // Why this process goes on with the keys from before is about none of them in particular.
    let trouble = api.app.serving.standing().trouble.as_ref().map(|why| {
        let what = format!("{}: the signing keys cannot be read anew: {why}", api.app.serving.replica().name);
        json!({"issuer": null, "algorithm": null, "what": what})
    });
    let notices = |notices: &[RingNotice]| -> Vec<Value> {
        let render = |notice: &RingNotice| {
            json!({
                "issuer": issuer_url(&api, notice.ring.issuer),
                "algorithm": notice.ring.algorithm.as_str(),
                "what": notice.what,
            })
        };
        notices.iter().map(render).collect()
    };
    Ok(Json(json!({
        "now": timeline.now,
        "keys": keys,
        "replicas": replicas.collect::<Vec<_>>(),
        "alarms": trouble.into_iter().chain(notices(&api.app.serving.notices().alarms())).collect::<Vec<_>>(),
        "reminders": notices(&api.app.serving.notices().reminders()),
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// `None` for the shared issuer.
    organization: Option<String>,
    /// RS256 unless given.
    algorithm: Option<String>,
}

pub async fn rotate(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    body: UnreadBody,
) -> Result<Json<Value>, Problem> {
    caller.require_admin()?;
    let body: Rotate = body.json(&api).await?;
    let issuer = issuer_named(&api, &caller, body.organization.as_deref()).await?;
    let algorithm = match body.algorithm.as_deref() {
        None => SigningAlgorithm::default(),
        Some(text) => SigningAlgorithm::parse(text)
            .ok_or_else(|| Problem::invalid_input("`algorithm` is `RS256` or `ES256`."))?,
    };
    let (kid, signs_from) = rotate_now(&api.app, RingId { issuer, algorithm }).await?;
    Ok(Json(json!({"kid": kid, "signs_from": signs_from})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    compromised: bool,
}

pub async fn revoke(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(kid): PathSegment,
    body: UnreadBody,
) -> Result<Json<Value>, Problem> {
    caller.require_admin()?;
    let body: Revoke = body.json(&api).await?;
    if !body.compromised {
        return Err(Problem::invalid_input(
            "Revoking is for a key that others know (`compromised: true`). To replace a key in good order, rotate.",
        ));
    }
    let revoked = revoke_key(&api.app, &kid, caller.token_id()).await?;
    let successor = revoked.successor.map(
        |one| json!({"kid": one.kid, "signs_from": one.signs_from, "not_acknowledged": one.not_acknowledged}),
    );
    let path = format!("{}/api/keys/{}/id-tokens", api.app.issuing.base_url, revoked.kid);
    Ok(Json(json!({
        "kid": revoked.kid,
        "revoked_at": revoked.revoked_at,
        "successor": successor,
        "unexpired_tokens": {"count": revoked.tokens, "url": path},
        "copies_with_the_key": revoked.copies_with_the_key,
    })))
}

/// What a key signed that is not expired.
pub async fn id_tokens(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(kid): PathSegment,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    caller.require_admin()?;
    let page = Query::parse(query.as_deref(), &["limit", "cursor"])?.page()?;
    let found = unexpired_tokens(&api.app, &kid, page).await?;
    let tokens: Vec<Value> = found.items.iter().map(render_token).collect();
    Ok(Json(json!({"id_tokens": tokens, "next_cursor": found.next})))
}

pub async fn reseal(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<Value>, Problem> {
    caller.require_admin()?;
    let resealed = reseal_keys(&api.app).await?;
    Ok(Json(json!({"keys": resealed.keys, "sealing_key": resealed.sealing_key})))
}

/// The documents of every issuer, as verifiers get them.
pub async fn documents(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<Value>, Problem> {
    caller.require_admin()?;
    let served = api.app.serving.peek();
    let mut publications: Vec<_> = served.publications.iter().collect();
    publications.sort_by_key(|(_, publication)| publication.issuer.as_str().to_owned());
    let issuers = publications.iter().map(|(id, publication)| {
        let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        json!({
            "issuer": publication.issuer.as_str(),
            "shared": **id == IssuerId::Shared,
            "configuration": text(&publication.configuration.body),
            "jwks": text(&publication.jwks.body),
        })
    });
    Ok(Json(json!({"issuers": issuers.collect::<Vec<_>>()})))
}

/// The shared issuer, or the own one of the organization of this name.
pub(super) async fn issuer_named(
    api: &Api,
    caller: &Caller,
    organization: Option<&str>,
) -> Result<IssuerId, Problem> {
    let Some(name) = organization else { return Ok(IssuerId::Shared) };
    let organization = caller.organization(&api.app, name, Role::Admin).await?;
    own_issuer(&organization).ok_or_else(|| {
        Problem::invalid_input(format!(
            "Organization {name} has no issuer of its own: its tokens come from the shared one."
        ))
    })
}

pub(super) fn issuer_url(api: &Api, issuer: IssuerId) -> Option<String> {
    api.app.serving.peek().issuer_url(issuer).map(|url| url.as_str().to_owned())
}

fn render(api: &Api, key: &TimelineKey) -> Value {
    let TimelineKey { record, state, .. } = key;
    let life = &record.life;
    json!({
        "kid": record.kid,
        "issuer": issuer_url(api, record.ring.issuer),
        "algorithm": record.ring.algorithm.as_str(),
        "state": state.as_str(),
        "kept_in": record.kept_in,
        "has_private_half": record.private_key.is_some(),
        "created_at": record.created_at,
        "published_at": life.published_at,
        "warm_at": (*state == KeyState::Next).then_some(key.warm_at),
        "signs_from": life.signs_from,
        "due_at": key.due_at,
        "signs_until": life.signs_until,
        "leaves_at": key.leaves_at,
        "removed_at": life.removed_at,
        "revoked_at": life.revoked_at,
        "revoked_by": record.revoked_by,
        "signatures": record.signatures,
        "last_fetched_at": record.last_fetched_at,
        "not_acknowledged": key.not_acknowledged,
        "public_jwk": record.public_jwk,
    })
}

fn render_token(token: &SignedToken) -> Value {
    json!({
        "jti": token.jti,
        "run_id": token.run_id,
        "organization": token.organization,
        "audience": token.audience,
        "subject": token.subject,
        "minted_at": token.minted_at,
        "expires_at": token.expires_at,
    })
}
