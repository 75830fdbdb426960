//! `/api/keys`

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use serde_json::{Map, Value};

use super::Api;
use super::body::UnreadBody;
use super::credentials::Authenticated;
use super::path::PathSegment;
use super::problem::Problem;
use super::query::{Query, cursor};
use crate::api::Word;
use crate::api::keys::{
    self as wire, Algorithm, KeyDocuments, KeyTakesOver, RevokeKey, RevokedKey, RotateKeys,
};
use crate::domain::access_token::Role;
use crate::domain::id_token::SignedToken;
use crate::domain::replica::ReplicaRecord;
use crate::domain::signing_key::Which;
use crate::flows::authorize::Caller;
use crate::flows::key_timeline::{TimelineKey, key_timeline, own_issuer};
use crate::flows::reseal_keys::reseal_keys;
use crate::flows::revoke_key::{Revoked, Successor, revoke_key, unexpired_tokens};
use crate::flows::rotate_keys::rotate_now;
use crate::publication::Publication;
use crate::serving::RingNotice;
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::keyring::{IssuerId, RingId};
use crate::signing::rotation::KeyState;

pub async fn list(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    RawQuery(query): RawQuery,
) -> Result<Json<wire::KeyTimeline>, Problem> {
    caller.require_admin()?;
    let query = Query::parse(query.as_deref(), &["organization", "all"])?;
    let issuer = match query.text("organization") {
        None => None,
        Some(name) => Some(issuer_named(&api, &caller, Some(name)).await?),
    };
    let which = match query.text("all") {
        None | Some("false") => Which::Published,
        Some("true") => Which::All,
        Some(_) => return Err(Problem::bad_request("`all` must be `true` or `false`.")),
    };
    let timeline = key_timeline(&api.app, issuer, which).await?;
    let of_list = |key: &TimelineKey| which == Which::All || key.state.is_published();
    let keys = timeline.keys.into_iter().filter(of_list).map(|key| signing_key(&api, key)).collect();
    // A process that still serves the keys it read before: this is about no key in particular.
    let trouble = api.app.serving.standing().trouble.as_ref().map(|why| {
        let what =
            format!("{}: could not read the signing keys again: {why}", api.app.serving.replica().name);
        wire::RingNotice { issuer: None, algorithm: None, what }
    });
    let notice = |notice: &RingNotice| wire::RingNotice {
        issuer: issuer_url(&api, notice.ring.issuer),
        algorithm: Some(notice.ring.algorithm.into()),
        what: notice.what.clone(),
    };
    Ok(Json(wire::KeyTimeline {
        now: timeline.now,
        keys,
        replicas: timeline.replicas.into_iter().map(Into::into).collect(),
        alarms: trouble.into_iter().chain(api.app.serving.notices().alarms().iter().map(notice)).collect(),
        reminders: api.app.serving.notices().reminders().iter().map(notice).collect(),
    }))
}

pub async fn rotate(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    body: UnreadBody<RotateKeys>,
) -> Result<Json<KeyTakesOver>, Problem> {
    caller.require_admin()?;
    let body = body.json(&api).await?;
    let issuer = issuer_named(&api, &caller, body.organization.as_deref()).await?;
    let algorithm = signing_algorithm(body.algorithm.as_ref())?;
    let (kid, signs_from) = rotate_now(&api.app, RingId { issuer, algorithm }).await?;
    Ok(Json(KeyTakesOver { kid, signs_from }))
}

pub async fn revoke(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(kid): PathSegment,
    body: UnreadBody<RevokeKey>,
) -> Result<Json<RevokedKey>, Problem> {
    caller.require_admin()?;
    let body = body.json(&api).await?;
    if !body.compromised {
        return Err(Problem::invalid_input(
            "Revoke only a compromised key (`compromised: true`). To replace any other key, rotate.",
        ));
    }
    let revoked = revoke_key(&api.app, &kid, caller.token_id()).await?;
    let url = format!("{}/api/keys/{}/id-tokens", api.app.issuing.base_url, revoked.kid);
    Ok(Json(revoked_key(revoked, url)))
}

/// What a key signed that is not expired.
pub async fn id_tokens(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    PathSegment(kid): PathSegment,
    RawQuery(query): RawQuery,
) -> Result<Json<wire::SignedTokenPage>, Problem> {
    caller.require_admin()?;
    let page = Query::parse(query.as_deref(), &["limit", "cursor"])?.page()?;
    let found = unexpired_tokens(&api.app, &kid, page).await?;
    let id_tokens = found.items.into_iter().map(Into::into).collect();
    Ok(Json(wire::SignedTokenPage { id_tokens, next_cursor: cursor(found.next) }))
}

pub async fn reseal(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<wire::Resealed>, Problem> {
    caller.require_admin()?;
    let resealed = reseal_keys(&api.app).await?;
    Ok(Json(wire::Resealed { keys: resealed.keys as u64, sealing_key: resealed.sealing_key }))
}

/// The documents of every issuer, as verifiers get them.
pub async fn documents(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<KeyDocuments>, Problem> {
    caller.require_admin()?;
    let served = api.app.serving.peek();
    let mut publications: Vec<_> = served.publications.iter().collect();
    publications.sort_by_key(|(_, publication)| publication.issuer.as_str().to_owned());
    let issuers =
        publications.into_iter().map(|(id, publication)| issuer_documents(*id, publication)).collect();
    Ok(Json(KeyDocuments { issuers }))
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
            "Organization {name} has no issuer of its own: its tokens come from the shared issuer."
        ))
    })
}

pub(super) fn issuer_url(api: &Api, issuer: IssuerId) -> Option<String> {
    api.app.serving.peek().issuer_url(issuer).map(|url| url.as_str().to_owned())
}

/// The algorithm of this name, or the default without one.
pub(super) fn signing_algorithm(asked: Option<&Word<Algorithm>>) -> Result<SigningAlgorithm, Problem> {
    match asked {
        None => Ok(SigningAlgorithm::default()),
        Some(Word::Known(Algorithm::Rs256)) => Ok(SigningAlgorithm::Rs256),
        Some(Word::Known(Algorithm::Es256)) => Ok(SigningAlgorithm::Es256),
        Some(Word::Other(_)) => Err(Problem::invalid_input("`algorithm` must be `RS256` or `ES256`.")),
    }
}

fn signing_key(api: &Api, key: TimelineKey) -> wire::SigningKey {
    let TimelineKey { record, state, warm_at, due_at, leaves_at, not_acknowledged } = key;
    let life = record.life;
    wire::SigningKey {
        issuer: issuer_url(api, record.ring.issuer),
        algorithm: record.ring.algorithm.into(),
        state: state.into(),
        kept_in: Word::named(record.kept_in),
        has_private_half: record.private_key.is_some(),
        created_at: record.created_at,
        published_at: life.published_at,
        warm_at: (state == KeyState::Next).then_some(warm_at),
        signs_from: life.signs_from,
        due_at,
        signs_until: life.signs_until,
        leaves_at,
        removed_at: life.removed_at,
        revoked_at: life.revoked_at,
        revoked_by: record.revoked_by,
        signatures: record.signatures,
        last_fetched_at: record.last_fetched_at,
        not_acknowledged,
        public_jwk: members(&record.public_jwk),
        kid: record.kid,
    }
}

/// A JWK as a JSON object.
fn members(jwk: &jsonwebtoken::jwk::Jwk) -> Map<String, Value> {
    match serde_json::to_value(jwk) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn revoked_key(revoked: Revoked, url: String) -> RevokedKey {
    let Revoked { kid, revoked_at, successor, tokens, copies_with_the_key } = revoked;
    let successor = successor.map(|Successor { kid, signs_from, not_acknowledged }| wire::KeySuccessor {
        kid,
        signs_from,
        not_acknowledged,
    });
    let unexpired_tokens = wire::UnexpiredTokens { count: tokens, url };
    RevokedKey { kid, revoked_at, successor, unexpired_tokens, copies_with_the_key }
}

fn issuer_documents(id: IssuerId, publication: &Publication) -> wire::IssuerDocuments {
    let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
    wire::IssuerDocuments {
        issuer: publication.issuer.as_str().to_owned(),
        shared: id == IssuerId::Shared,
        configuration: text(&publication.configuration.body),
        jwks: text(&publication.jwks.body),
    }
}

impl From<SigningAlgorithm> for Algorithm {
    fn from(algorithm: SigningAlgorithm) -> Self {
        match algorithm {
            SigningAlgorithm::Rs256 => Self::Rs256,
            SigningAlgorithm::Es256 => Self::Es256,
        }
    }
}

impl From<KeyState> for wire::KeyState {
    fn from(state: KeyState) -> Self {
        match state {
            KeyState::Next => Self::Next,
            KeyState::Active => Self::Active,
            KeyState::Previous => Self::Previous,
            KeyState::Removed => Self::Removed,
            KeyState::Revoked => Self::Revoked,
        }
    }
}

impl From<ReplicaRecord> for wire::Replica {
    fn from(replica: ReplicaRecord) -> Self {
        let ReplicaRecord { id: _, name, version, sealing_keys, seen_at } = replica;
        Self { name, version, sealing_keys, seen_at }
    }
}

impl From<SignedToken> for wire::SignedToken {
    fn from(token: SignedToken) -> Self {
        let SignedToken { jti, run_id, organization, audience, subject, minted_at, expires_at } = token;
        Self { jti, run_id, organization, audience, subject, minted_at, expires_at }
    }
}
