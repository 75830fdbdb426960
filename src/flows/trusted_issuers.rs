//! The issuers whose tokens an organization takes in exchange for its own.

use jiff::SignedDuration;
use serde_json::Value;
use thiserror::Error;
use uuid::Uuid;

use crate::app::App;
use crate::domain::organization::Organization;
use crate::domain::trusted_issuer::{PolicyRecord, TrustedIssuer};
use crate::entropy::uuid_at;
use crate::store::StoreError;
use crate::store::trusted_issuers::Registered;
use crate::trust::token::{KeySet, KeySetError};
use crate::upstream::discovery::{DiscoveryError, presented_thumbprints};
use crate::upstream::registered_issuer::{KeySource, RegisteredIssuer};
use crate::upstream::source_url::{SourceUrl, SourceUrlError};
use crate::upstream::thumbprint::Thumbprint;

pub const MAX_ISSUERS: usize = 100;
const MAX_NAME_CHARS: usize = 100;
pub const MAX_THUMBPRINTS: usize = 16;
/// As the hosted services have it; nothing that is exchanged lives for longer.
pub const DEFAULT_MAX_EXPIRATION: SignedDuration = SignedDuration::from_hours(25);
const MIN_EXPIRATION: SignedDuration = SignedDuration::from_mins(1);

/// The details of an issuer that an owner sets.
pub struct IssuerDetails {
    pub name: String,
    /// SHA-256 of certificates that its servers may present; empty when public authorities decide.
    pub thumbprints: Vec<String>,
    pub max_expiration_seconds: Option<i64>,
    /// A key set that is never fetched.
    pub jwks: Option<Value>,
}

#[derive(Debug, Error)]
pub enum TrustedIssuerError {
    #[error("name has 1 to {MAX_NAME_CHARS} characters, none of them a control character")]
    Name,
    #[error("url: {0}")]
    Url(#[from] SourceUrlError),
    #[error(
        "thumbprints has at most {MAX_THUMBPRINTS} entries, each a SHA-256 in 64 hexadecimal digits without colons"
    )]
    Thumbprints,
    #[error("maxExpiration is {min} to {max} seconds", min = MIN_EXPIRATION.as_secs(), max = DEFAULT_MAX_EXPIRATION.as_secs())]
    MaxExpiration,
    #[error("jwks: {0}")]
    Jwks(#[from] KeySetError),
    #[error("an organization has at most {MAX_ISSUERS} issuers")]
    TooMany,
    #[error("the organization has an issuer of this URL or name already")]
    Taken,
    #[error("could not fetch the issuer's keys: {0}. Correct the URL, or give its key set as `jwks`")]
    Unreachable(String),
    #[error("the issuer's key set is given and never fetched, so there are no thumbprints to regenerate")]
    StaticKeys,
    #[error("there is no such issuer")]
    NoSuchIssuer,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All trusted issuers of the organization, oldest first.
pub async fn list_issuers(app: &App, organization: &Organization) -> Result<Vec<TrustedIssuer>, StoreError> {
    app.store.issuers_of(organization.id).await
}

/// Registers an issuer after fetching its keys. Until it has policies, no token of it is exchanged.
pub async fn register_issuer(
    app: &App,
    organization: &Organization,
    url: String,
    details: IssuerDetails,
    by: Uuid,
) -> Result<TrustedIssuer, TrustedIssuerError> {
    SourceUrl::of_discovery(&url, app.issuer_keys.fetcher().settings().plain_http)?;
    let now = app.clock.now();
    let mut issuer = TrustedIssuer {
        id: uuid_at(now, app.entropy.as_ref()),
        organization_id: organization.id,
        name: String::new(),
        url,
        thumbprints: Vec::new(),
        jwks: None,
        max_expiration_seconds: DEFAULT_MAX_EXPIRATION.as_secs(),
        created_at: now,
        modified_at: now,
        last_used_at: None,
        policy: PolicyRecord {
            id: uuid_at(now, app.entropy.as_ref()),
            version: 1,
            policies: Value::Array(Vec::new()),
            modified_at: now,
        },
    };
    apply(&mut issuer, details)?;
    let registered = app.store.issuers_of(organization.id).await?;
    if registered.len() >= MAX_ISSUERS {
        return Err(TrustedIssuerError::TooMany);
    }
    // Before any request goes out: a duplicate is refused anyway.
    if registered.iter().any(|other| other.url == issuer.url || other.name == issuer.name) {
        return Err(TrustedIssuerError::Taken);
    }
    require_keys(app, &issuer).await?;
    match app.store.register_issuer(&issuer, by).await? {
        Registered::Done => {}
        Registered::Taken => return Err(TrustedIssuerError::Taken),
    }
    tracing::info!(organization = %organization.name, url = issuer.url, %by, "issuer registered");
    Ok(issuer)
}

pub async fn find_issuer(
    app: &App,
    organization: &Organization,
    id: &str,
) -> Result<TrustedIssuer, TrustedIssuerError> {
    let id = Uuid::parse_str(id).map_err(|_| TrustedIssuerError::NoSuchIssuer)?;
    app.store.issuer(organization.id, id).await?.ok_or(TrustedIssuerError::NoSuchIssuer)
}

/// Changes everything but the URL. Details that are left out stay as they are.
pub async fn update_issuer(
    app: &App,
    mut issuer: TrustedIssuer,
    details: IssuerDetails,
    by: Uuid,
) -> Result<TrustedIssuer, TrustedIssuerError> {
    apply(&mut issuer, details)?;
    require_keys(app, &issuer).await?;
    save(app, issuer, by).await
}

/// Pins the certificates that the issuer's servers present now.
pub async fn regenerate_thumbprints(
    app: &App,
    mut issuer: TrustedIssuer,
    by: Uuid,
) -> Result<TrustedIssuer, TrustedIssuerError> {
    if issuer.jwks.is_some() {
        return Err(TrustedIssuerError::StaticKeys);
    }
    let found = presented_thumbprints(app.issuer_keys.fetcher(), &issuer.url).await;
    let found = found.map_err(|error| TrustedIssuerError::Unreachable(error.with_causes()))?;
    issuer.thumbprints = found.iter().map(Thumbprint::to_string).collect();
    save(app, issuer, by).await
}

/// Its policies go with it, and what was exchanged for its tokens is revoked.
pub async fn delete_issuer(app: &App, issuer: &TrustedIssuer, by: Uuid) -> Result<(), TrustedIssuerError> {
    app.store.delete_issuer(issuer.id, app.clock.now()).await?;
    app.issuer_keys.forget(&issuer.id.to_string());
    tracing::info!(url = issuer.url, %by, "issuer deleted; what was exchanged for its tokens is revoked");
    Ok(())
}

/// As `upstream` knows it.
pub fn registered(issuer: &TrustedIssuer) -> RegisteredIssuer {
    let keys = match &issuer.jwks {
        Some(jwks) => KeySource::Static { jwks: jwks.to_string() },
        // A pin that cannot be read must not become no pin: it was checked when it was saved.
        None => KeySource::Discovered {
            pins: issuer.thumbprints.iter().map(|text| text.parse().unwrap_or(Thumbprint::of(b""))).collect(),
        },
    };
    RegisteredIssuer { id: issuer.id.to_string(), url: issuer.url.clone(), keys }
}

async fn save(app: &App, mut issuer: TrustedIssuer, by: Uuid) -> Result<TrustedIssuer, TrustedIssuerError> {
    issuer.modified_at = app.clock.now();
    match app.store.update_issuer(&issuer).await? {
        Registered::Done => {}
        Registered::Taken => return Err(TrustedIssuerError::Taken),
    }
    tracing::info!(url = issuer.url, %by, "issuer changed");
    Ok(issuer)
}

async fn require_keys(app: &App, issuer: &TrustedIssuer) -> Result<(), TrustedIssuerError> {
    let keys = app.issuer_keys.keys(&registered(issuer)).await;
    let why = |error: std::sync::Arc<DiscoveryError>| TrustedIssuerError::Unreachable(error.with_causes());
    keys.map(drop).map_err(why)
}

fn apply(issuer: &mut TrustedIssuer, details: IssuerDetails) -> Result<(), TrustedIssuerError> {
    let IssuerDetails { name, thumbprints, max_expiration_seconds, jwks } = details;
    if !(1..=MAX_NAME_CHARS).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(TrustedIssuerError::Name);
    }
    let parsed: Result<Vec<Thumbprint>, _> = thumbprints.iter().map(|text| text.parse()).collect();
    let parsed = parsed.map_err(|_| TrustedIssuerError::Thumbprints)?;
    if parsed.len() > MAX_THUMBPRINTS {
        return Err(TrustedIssuerError::Thumbprints);
    }
    let max = max_expiration_seconds.unwrap_or(issuer.max_expiration_seconds);
    if !(MIN_EXPIRATION.as_secs()..=DEFAULT_MAX_EXPIRATION.as_secs()).contains(&max) {
        return Err(TrustedIssuerError::MaxExpiration);
    }
    if let Some(jwks) = &jwks {
        KeySet::parse(jwks.to_string().as_bytes())?;
        let keys = jwks["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
        if !keys.iter().all(Value::is_object) {
            return Err(KeySetError::NotAnObject.into());
        }
    }
    issuer.name = name;
    issuer.thumbprints = parsed.iter().map(Thumbprint::to_string).collect();
    issuer.max_expiration_seconds = max;
    issuer.jwks = jwks;
    Ok(())
}
