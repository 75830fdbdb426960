//! Minting: a run that proves itself gets a signed token, recorded before it leaves.

use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;
use uuid::Uuid;

use crate::app::App;
use crate::config::keys::AlgorithmChoice;
use crate::domain::run::{Run, RunState};
use crate::entropy::uuid_at;
use crate::flows::refresh_keys::{RefreshError, SPACING, keys_to_sign_with, refresh, refresh_if_older};
use crate::issuer::audience::{Audience, AudienceError};
use crate::issuer::claims::{IdTokenClaims, Issuance};
use crate::issuer::lifetime::{LifetimeError, LifetimePolicy};
use crate::issuer::profile::{ProfileAlgorithm, Shape, ShapeError};
use crate::opaque_token::{OpaqueToken, TokenKind};
use crate::serving::Served;
use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::keyring::{RingId, RingKey};
use crate::signing::signer::SigningError;
use crate::store::StoreError;
use crate::store::mint_log::{MintRecord, NotRecorded, Recorded};

pub struct MintRequest<'a> {
    /// `None` for the organization's name.
    pub audience: Option<&'a str>,
    pub lifetime_seconds: Option<i64>,
    /// The caller's network address.
    pub caller: String,
}

#[derive(Debug, Error)]
pub enum MintError {
    #[error("the run request token is missing or wrong")]
    Unauthenticated,
    #[error("the run is {state} and gets no more tokens; start a new run", state = .0.as_str())]
    RunEnded(RunState),
    #[error(transparent)]
    Audience(#[from] AudienceError),
    #[error("this run may not ask for audience `{asked}`; it may ask for: {allowed}")]
    AudienceNotAllowed { asked: String, allowed: String },
    #[error("audience `{audience}`: {source}")]
    Shape { audience: String, source: ShapeError },
    #[error(transparent)]
    Lifetime(#[from] LifetimeError),
    #[error("no key signs at the moment")]
    NoSigningKey,
    #[error("the signing key is not in the static copies yet")]
    NotPublished,
    #[error("the signing key was replaced a moment ago")]
    KeyReplaced,
    #[error(transparent)]
    Keys(#[from] RefreshError),
    #[error(transparent)]
    NotRecorded(#[from] NotRecorded),
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A signed token for `run`, in compact form.
pub async fn mint_id_token(app: &App, run: &Run, request: MintRequest<'_>) -> Result<String, MintError> {
    let now = app.clock.now();
    refuse_ended(run, run.state_at(now))?;
    let TokenTerms { audience, shape, lifetime } = token_terms(app, run, request.audience)?;
    let expires_at = lifetime.expiry(now, run.expires_at, request.lifetime_seconds)?;
    let admitted = Admitted { now, audience, shape: &shape, expires_at, caller: request.caller };
    let served = keys_to_sign_with(app).await?;
    // The keys in memory may be outdated: one was created or replaced a moment ago.
    let served = match sign_with(app, &served, run, &admitted).await {
        Err(MintError::KeyReplaced) => refresh(app).await?,
        Err(MintError::NoSigningKey) => refresh_if_older(app, SPACING).await,
        signed => return signed,
    };
    // Time has passed, and this process may have stood still.
    let now = app.clock.now();
    refuse_ended(run, run.state_at(now))?;
    let expires_at = lifetime.expiry(now, run.expires_at, request.lifetime_seconds)?;
    sign_with(app, &served, run, &Admitted { now, expires_at, ..admitted }).await
}

/// The content and lifetime of a run's tokens for one audience.
pub struct TokenTerms<'r> {
    pub audience: &'r str,
    pub shape: Shape<'r>,
    pub lifetime: LifetimePolicy,
}

/// Refuses an audience that the run may not ask for, or whose profile cannot shape its token.
pub fn token_terms<'r>(
    app: &App,
    run: &'r Run,
    audience: Option<&'r str>,
) -> Result<TokenTerms<'r>, MintError> {
    let audience = admit_audience(run, audience)?;
    let shape =
        run.shape(audience).map_err(|source| MintError::Shape { audience: audience.to_owned(), source })?;
    let lifetime = app.issuing.lifetime.within(shape.lifetime);
    Ok(TokenTerms { audience, shape, lifetime })
}

struct Admitted<'a> {
    now: Timestamp,
    audience: &'a str,
    shape: &'a Shape<'a>,
    expires_at: Timestamp,
    caller: String,
}

/// Chooses the key, records the token, signs it.
async fn sign_with(
    app: &App,
    served: &Served,
    run: &Run,
    admitted: &Admitted<'_>,
) -> Result<String, MintError> {
    let Admitted { now, audience, shape, expires_at, .. } = *admitted;
    let issuer = run.keys.issuer(run.organization_id);
    let ring = served.ring(issuer, algorithm(app, run, audience, shape), now);
    let issuer = served.issuer_url(issuer).ok_or(MintError::NoSigningKey)?;
    let key = served.keyring.signer(ring, &app.rotation, now).ok_or(MintError::NoSigningKey)?;
    if !app.copies.all_have(key.kid()) {
        return Err(MintError::NotPublished);
    }
    let jti = uuid_at(now, app.entropy.as_ref());

    let record = MintRecord {
        jti,
        minted_at: now,
        run_id: run.id,
        organization_id: run.organization_id,
        audience: audience.to_owned(),
        subject: shape.subject.clone().into_owned(),
        subject_format: shape.format.map(str::to_owned),
        kid: key.kid().to_owned(),
        expires_at,
        caller: admitted.caller.clone(),
    };
    match app.minting.log.record(record).await? {
        Recorded::Recorded => app.serving.note_recorded(),
        Recorded::RunEnded(state) => refuse_ended(run, state)?,
        Recorded::KeyDoesNotSign => {
            app.serving.note_refused(key.kid());
            return Err(MintError::KeyReplaced);
        }
    }

    let issuance = Issuance {
        issuer: issuer.as_str(),
        audience,
        subject: &shape.subject,
        jti,
        issued_at: now,
        expires_at,
    };
    let input = key.signing_input(&IdTokenClaims::new(&issuance, &shape.claims))?;
    let token = app.minting.signers.sign(Arc::clone(key), input).await?;
    require_still_signs(app, ring, key.kid()).await?;
    Ok(token)
}

/// The audience's profile before the configuration, and that before the organization's usual one; but what a
/// relying party cannot verify helps nobody.
fn algorithm(app: &App, run: &Run, audience: &str, shape: &Shape<'_>) -> SigningAlgorithm {
    match shape.algorithm {
        _ if AlgorithmChoice::is_of_entra(audience) => SigningAlgorithm::Rs256,
        Some(ProfileAlgorithm::Rs256) => SigningAlgorithm::Rs256,
        Some(ProfileAlgorithm::Es256) => SigningAlgorithm::Es256,
        None => app.issuing.algorithms.choose(audience, run.keys.algorithm),
    }
}

/// This process may have stood still since the record was made, while the key was replaced or revoked: then
/// nobody gets what it signed. Asks the database only when the lease ran out meanwhile.
async fn require_still_signs(app: &App, ring: RingId, kid: &str) -> Result<(), MintError> {
    let served = keys_to_sign_with(app).await?;
    let (now, grace) = (app.clock.now(), app.rotation.timing.grace());
    let signs = |key: &RingKey| key.life.signs_until.is_none_or(|until| now < until + grace);
    match served.keyring.keys(ring).iter().find(|key| key.kid == kid) {
        Some(key) if signs(key) => Ok(()),
        _ => Err(MintError::KeyReplaced),
    }
}

/// The run that `request_token` belongs to, if it is the one asked about.
pub async fn authenticate_run(app: &App, run_id: &str, request_token: &str) -> Result<Arc<Run>, MintError> {
    let hash = OpaqueToken::recognise(TokenKind::RunRequestToken, request_token);
    let hash = hash.ok_or(MintError::Unauthenticated)?;
    let run = if let Some(run) = app.minting.runs.of_request_token(&hash) {
        run
    } else {
        let run = app.store.run_of_request_token(&hash).await?.ok_or(MintError::Unauthenticated)?;
        let run = Arc::new(run);
        app.minting.runs.keep(hash, Arc::clone(&run));
        run
    };
    if Uuid::parse_str(run_id) == Ok(run.id) { Ok(run) } else { Err(MintError::Unauthenticated) }
}

fn refuse_ended(run: &Run, state: RunState) -> Result<(), MintError> {
    if state == RunState::Active {
        return Ok(());
    }
    tracing::info!(run_id = %run.id, state = state.as_str(), "token refused: the run has ended");
    Err(MintError::RunEnded(state))
}

/// The audience of a token that the run may ask for.
pub fn admit_audience<'a>(run: &'a Run, asked: Option<&'a str>) -> Result<&'a str, MintError> {
    let audience = match asked {
        None => run.organization.as_str(),
        Some(text) => {
            Audience::parse(text)?;
            text
        }
    };
    match &run.audiences {
        Some(allowed) if !allowed.iter().any(|one| one == audience) => {
            Err(MintError::AudienceNotAllowed { asked: audience.to_owned(), allowed: allowed.join(", ") })
        }
        _ => Ok(audience),
    }
}
