//! The audience profiles of an organization: saved whole, version by version, and who still uses what.

use std::collections::BTreeSet;

use jiff::Timestamp;
use thiserror::Error;
use uuid::Uuid;

use crate::app::App;
use crate::config::keys::ENTRA_AUDIENCES;
use crate::domain::document::{Document, DocumentKind};
use crate::domain::id_token::MintedFormat;
use crate::domain::organization::Organization;
use crate::flows::refresh_keys::refresh;
use crate::issuer::audience::{Audience, AudienceError};
use crate::issuer::profile::{ProfileDefinitions, ProfileError, Setting};
use crate::issuer::service::Attributes;
use crate::store::StoreError;
use crate::store::documents::NewDocument;

/// The report looks at so many runs at most, and at as many unless it is asked for fewer.
pub const MAX_RUNS_REPORTED: i64 = 5_000;

/// Versions whose formats of subjects are never taken up by others.
const REMEMBERED: i64 = 200;

#[derive(Debug, Error)]
pub enum AudienceProfilesError {
    #[error(transparent)]
    Profiles(#[from] ProfileError),
    #[error("the audience profiles are no longer at version {0}: read them again")]
    Changed(i64),
    #[error("the profiles cannot be written: {0}")]
    Form(#[from] serde_json::Error),
    #[error("audience: {0}")]
    Audience(#[from] AudienceError),
    #[error("runs is 1 to {MAX_RUNS_REPORTED}")]
    Runs,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The version in force; `None` where there never was one.
pub async fn audience_profiles(
    app: &App,
    organization: &Organization,
) -> Result<Option<Document>, AudienceProfilesError> {
    Ok(app.store.document(DocumentKind::AudienceProfiles, organization.id).await?)
}

/// Puts these in the place of version `replaces`. Runs that have started go on by theirs.
pub async fn replace_audience_profiles(
    app: &App,
    organization: &Organization,
    replaces: i64,
    profiles: &ProfileDefinitions,
    by: Uuid,
) -> Result<Document, AudienceProfilesError> {
    let before = audience_profiles(app, organization).await?;
    if before.as_ref().map_or(0, |document| document.version) != replaces {
        return Err(AudienceProfilesError::Changed(replaces));
    }
    let before =
        app.store.last_documents(DocumentKind::AudienceProfiles, organization.id, REMEMBERED).await?;
    let before = before.into_iter().map(serde_json::from_value).collect::<Result<Vec<_>, _>>()?;
    profiles.check(setting(app, organization), &before)?;
    let content = serde_json::to_value(profiles)?;
    let now = app.clock.now();
    let wants_es256 = profiles.mention_es256();
    let new = NewDocument {
        kind: DocumentKind::AudienceProfiles,
        organization_id: organization.id,
        replaces,
        content: &content,
        by,
        now,
        wants_es256,
    };
    if !app.store.replace_document(new).await? {
        return Err(AudienceProfilesError::Changed(replaces));
    }
    let version = replaces.saturating_add(1);
    tracing::info!(organization = %organization.name, version, %by, "audience profiles replaced");
    if wants_es256 {
        // Other processes read it at their next look.
        let _ = refresh(app).await;
    }
    Ok(Document { version, content, created_at: now })
}

pub(super) fn setting<'a>(app: &'a App, organization: &Organization) -> Setting<'a> {
    Setting {
        services: &app.issuing.services,
        own_issuer: organization.keys.own_issuer,
        max_lifetime: app.issuing.lifetime.max,
        rs256_only: &ENTRA_AUDIENCES,
    }
}

/// The tokens of the last runs, by audience, service and subject template.
pub struct Usage {
    pub audience: String,
    pub service: String,
    /// The template, and whether it is the service's own.
    pub format: String,
    pub is_services_own: bool,
    pub tokens: i64,
    pub runs: i64,
    pub last_minted_at: Timestamp,
    pub last_run_id: Uuid,
    /// Of the runs that have one.
    pub projects: BTreeSet<String>,
}

/// `is_visible`: whether the caller may know of a run with these attributes.
pub async fn usage(
    app: &App,
    organization: &Organization,
    audience: Option<&str>,
    runs: i64,
    is_visible: impl Fn(&Attributes) -> bool,
) -> Result<Vec<Usage>, AudienceProfilesError> {
    if !(1..=MAX_RUNS_REPORTED).contains(&runs) {
        return Err(AudienceProfilesError::Runs);
    }
    if let Some(audience) = audience {
        Audience::parse(audience)?;
    }
    let minted = app.store.minted_formats(organization.id, audience, runs).await?;
    let mut usages: Vec<Usage> = Vec::new();
    for one in minted.into_iter().filter(|one| is_visible(&one.attributes)) {
        add(app, &mut usages, one);
    }
    usages.sort_by(|a, b| {
        (&a.audience, &a.service, !a.is_services_own, &a.format).cmp(&(
            &b.audience,
            &b.service,
            !b.is_services_own,
            &b.format,
        ))
    });
    Ok(usages)
}

fn add(app: &App, usages: &mut Vec<Usage>, minted: MintedFormat) {
    let is_services_own = minted.format.is_none();
    let format = minted.format.unwrap_or_else(|| {
        // A service that is no longer configured has no template to show.
        app.issuing
            .services
            .named(&minted.service)
            .map(|service| service.subject_template().to_string())
            .unwrap_or_default()
    });
    let known = usages.iter_mut().find(|usage| {
        (&usage.audience, &usage.service, &usage.format) == (&minted.audience, &minted.service, &format)
            && usage.is_services_own == is_services_own
    });
    let project = minted.attributes.get("project").cloned();
    if let Some(usage) = known {
        usage.tokens += minted.tokens;
        usage.runs += 1;
        usage.last_minted_at = usage.last_minted_at.max(minted.last_minted_at);
        usage.projects.extend(project);
        return;
    }
    // Runs come newest first.
    usages.push(Usage {
        audience: minted.audience,
        service: minted.service,
        format,
        is_services_own,
        tokens: minted.tokens,
        runs: 1,
        last_minted_at: minted.last_minted_at,
        last_run_id: minted.run_id,
        projects: project.into_iter().collect(),
    });
}
