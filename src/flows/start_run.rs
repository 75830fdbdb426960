//! Registering a run: what the orchestrator attests becomes the identity that its tokens carry.

use jiff::SignedDuration;
use serde_json::{Map, Value};
use thiserror::Error;
use uuid::Uuid;

use crate::app::App;
use crate::clouds::limits::{self, LimitCheck};
use crate::config::{DEFAULT_RUN_TTL, MIN_RUN_TTL};
use crate::domain::access_token::Origin;
use crate::domain::organization::{KeyChoice, Organization};
use crate::domain::run::{Run, RunState};
use crate::entropy::uuid_at;
use crate::flows::audience_profiles::setting;
use crate::flows::cloud_settings::{self, CloudSettingsError};
use crate::flows::mint_id_token::admit_audience;
use crate::issuer::audience::{Audience, AudienceError};
use crate::issuer::claims::{self, Actor};
use crate::issuer::organization_name::OrganizationName;
use crate::issuer::profile::{ProfileError, ShapeError};
use crate::issuer::service::{AttributeError, Attributes};
use crate::issuer::subject::MAX_SUBJECT_BYTES;
use crate::issuer::url::IssuerUrl;
use crate::opaque_token::{OpaqueToken, TokenKind};
use crate::store::StoreError;
use crate::store::documents::StartingPoint;
use crate::trust::policy;

pub const MAX_AUDIENCES: usize = 16;
// A policy that names more would grant runs that cannot start.
const _: () = assert!(policy::limits::MAX_AUDIENCES == MAX_AUDIENCES);

/// The run that an orchestrator attests.
pub struct StartRun {
    pub service: String,
    pub attributes: Attributes,
    pub ttl_seconds: Option<i64>,
    pub audiences: Option<Vec<String>>,
}

/// A registered run and its request token, which is in no other place than this.
pub struct StartedRun {
    pub run: Run,
    pub request_token: OpaqueToken,
}

/// What a run would get: content, limits and cloud settings, unsigned.
pub struct Preview {
    pub content: TokenContent,
    pub limits: Vec<LimitCheck>,
    pub cloud: Map<String, Value>,
}

/// The content of a run's tokens: all claims except the times, the token's id and a requested audience.
pub struct TokenContent {
    pub subject: String,
    pub claims: Map<String, Value>,
    /// Why there would be no token for the audience in question.
    pub refused: Option<String>,
}

#[derive(Debug, Error)]
pub enum StartRunError {
    #[error("there is no service `{name}`; there are: {known}")]
    UnknownService { name: String, known: String },
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    #[error("ttl_seconds is {min} to {max}, not {asked}")]
    Ttl { min: i64, max: i64, asked: i64 },
    #[error("audiences has 1 to {MAX_AUDIENCES} entries, or is absent for a run that may ask for any")]
    AudienceCount,
    #[error("audiences: {0}")]
    Audience(#[from] AudienceError),
    #[error(
        "the subject has {bytes} bytes, and clouds accept {MAX_SUBJECT_BYTES} at most: use shorter names (`preview` shows the subject)"
    )]
    SubjectTooLong { bytes: usize },
    #[error("audience `{audience}`: {source}")]
    Shape { audience: String, source: ShapeError },
    #[error(
        "{0}. What the operator configured has changed since it was saved: replace the organization's audience profiles"
    )]
    Profiles(ProfileError),
    #[error(transparent)]
    CloudSettings(#[from] CloudSettingsError),
    #[error("the organization was deleted")]
    OrganizationDeleted,
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub async fn start_run(
    app: &App,
    organization: &Organization,
    request: StartRun,
    started_by: Uuid,
    origin: Option<&Origin>,
) -> Result<StartedRun, StartRunError> {
    let run = prepare_run(app, organization, request, origin).await?;
    let request_token = OpaqueToken::generate(TokenKind::RunRequestToken, app.entropy.as_ref());
    if !app.store.start_run(&run, &request_token.hash(), started_by).await? {
        return Err(StartRunError::OrganizationDeleted);
    }
    tracing::info!(run_id = %run.id, organization = %run.organization, subject = %run.subject, "run started");
    Ok(StartedRun { run, request_token })
}

/// A run that is not registered yet.
pub async fn prepare_run(
    app: &App,
    organization: &Organization,
    request: StartRun,
    origin: Option<&Origin>,
) -> Result<Run, StartRunError> {
    let from = app.store.starting_point(organization.id).await?;
    let run = register(app, organization, request, from, origin)?;
    for audience in run.audiences.iter().flatten() {
        // Where it is known already what cannot be, a person sees it, and not a job.
        run.shape(audience).map_err(|source| StartRunError::Shape { audience: audience.clone(), source })?;
    }
    if run.subject.len() > MAX_SUBJECT_BYTES {
        return Err(StartRunError::SubjectTooLong { bytes: run.subject.len() });
    }
    Ok(run)
}

pub async fn preview_run(
    app: &App,
    organization: &Organization,
    request: StartRun,
    origin: Option<&Origin>,
    audience: Option<&str>,
) -> Result<Preview, StartRunError> {
    let from = app.store.starting_point(organization.id).await?;
    let run = register(app, organization, request, from, origin)?;
    let mut content = token_content(app, &run, audience);
    // There is no run, so there is no id to show.
    content.claims.shift_remove("run_id");
    let asked = audience.map(|audience| vec![audience.to_owned()]);
    let audiences = asked.or(run.audiences).unwrap_or_else(|| vec![run.organization.clone()]);
    let issuer = issuer_of(app, organization.keys, &run.organization);
    let subject = if content.refused.is_some() { &run.subject } else { &content.subject };
    let limits = limits::check(&issuer, subject, &audiences);
    Ok(Preview { content, limits, cloud: run.cloud })
}

/// The run as its tokens for `audience` show it, or without one as its service does.
pub fn token_content(app: &App, run: &Run, audience: Option<&str>) -> TokenContent {
    let issuer = issuer_of(app, run.keys, &run.organization);
    let claims = |audience: &str, subject: &str, of_the_run: &Map<String, Value>| {
        let mut claims = Map::new();
        claims.insert("iss".into(), issuer.as_str().into());
        claims.insert("aud".into(), audience.into());
        claims.insert("sub".into(), subject.into());
        claims.extend(of_the_run.clone());
        claims
    };
    let Some(audience) = audience else {
        let claims = claims(&run.organization, &run.subject, &run.claims);
        return TokenContent { subject: run.subject.clone(), claims, refused: None };
    };
    let shape = admit_audience(run, Some(audience)).map_err(|error| error.to_string());
    match shape.and_then(|audience| run.shape(audience).map_err(|error| error.to_string())) {
        Ok(shape) => TokenContent {
            claims: claims(audience, &shape.subject, &shape.claims),
            subject: shape.subject.into_owned(),
            refused: None,
        },
        Err(why) => TokenContent { subject: String::new(), claims: Map::new(), refused: Some(why) },
    }
}

/// The issuer in the tokens of an organization.
pub fn issuer_of(app: &App, keys: KeyChoice, organization: &str) -> IssuerUrl {
    match OrganizationName::parse(organization) {
        Ok(name) if keys.own_issuer => app.issuing.base_url.of_organization(&name),
        _ => app.issuing.issuer.clone(),
    }
}

fn register(
    app: &App,
    organization: &Organization,
    request: StartRun,
    from: StartingPoint,
    origin: Option<&Origin>,
) -> Result<Run, StartRunError> {
    let now = app.clock.now();
    let StartRun { service: name, attributes, ttl_seconds, audiences } = request;
    let service = app.issuing.services.named(&name).ok_or_else(|| StartRunError::UnknownService {
        name: name.clone(),
        known: app.issuing.services.names().collect::<Vec<_>>().join(", "),
    })?;
    let identity = app.issuing.services.identify(service, &organization.name, &attributes)?;
    let ttl = ttl(ttl_seconds, app.issuing.run_ttl_max)?;
    check_audiences(audiences.as_deref())?;
    let StartingPoint { profiles, cloud_settings } = from;
    profiles.check_service(&name, setting(app, organization)).map_err(StartRunError::Profiles)?;
    let cloud = cloud_settings.map(|saved| cloud_settings::resolve(saved, &identity.values)).transpose()?;
    let id = uuid_at(now, app.entropy.as_ref());
    Ok(Run {
        id,
        organization_id: organization.id,
        organization: organization.name.to_string(),
        keys: organization.keys,
        service: name,
        attributes,
        subject: identity.subject,
        claims: claims::of_run(
            organization.name.as_str(),
            organization.id,
            identity.claims,
            id,
            actor(origin).as_ref(),
        ),
        template_values: if profiles.version() > 0 { identity.values } else { Attributes::new() },
        profiles,
        cloud: cloud.unwrap_or_default(),
        audiences,
        created_at: now,
        expires_at: now + ttl,
        ended_at: None,
        origin: origin.cloned(),
        stored_state: RunState::Active,
    })
}

/// On whose behalf, where that was another issuer's subject.
fn actor(origin: Option<&Origin>) -> Option<Actor<'_>> {
    let Origin { issuer, subject, jti } = origin?;
    Some(Actor { issuer, subject, jti: jti.as_deref() })
}

fn ttl(asked: Option<i64>, max: SignedDuration) -> Result<SignedDuration, StartRunError> {
    let Some(asked) = asked else { return Ok(DEFAULT_RUN_TTL.min(max)) };
    let (min, max) = (MIN_RUN_TTL.as_secs(), max.as_secs());
    if (min..=max).contains(&asked) {
        Ok(SignedDuration::from_secs(asked))
    } else {
        Err(StartRunError::Ttl { min, max, asked })
    }
}

fn check_audiences(audiences: Option<&[String]>) -> Result<(), StartRunError> {
    let Some(audiences) = audiences else { return Ok(()) };
    if !(1..=MAX_AUDIENCES).contains(&audiences.len()) {
        return Err(StartRunError::AudienceCount);
    }
    audiences.iter().try_for_each(|audience| Audience::parse(audience).map(drop))?;
    Ok(())
}
