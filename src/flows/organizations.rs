//! Creating, listing and deleting organizations.

use thiserror::Error;
use uuid::Uuid;

use crate::app::App;
use crate::domain::organization::{KeyChoice, Organization};
use crate::domain::page::{Page, PageRequest};
use crate::entropy::uuid_at;
use crate::flows::authorize::Caller;
use crate::flows::load_keys::rings_of_own_issuer;
use crate::flows::make_key::{MakeKeyError, discard_key, make_key};
use crate::flows::refresh_keys::refresh;
use crate::issuer::organization_name::{OrganizationName, OrganizationNameError};
use crate::issuer::url::MAX_ISSUER_CHARS;
use crate::signing::algorithm::SigningAlgorithm;
use crate::store::StoreError;
use crate::store::organizations::Create;

#[derive(Debug, Error)]
pub enum CreateOrganizationError {
    #[error(transparent)]
    Name(#[from] OrganizationNameError),
    #[error(
        "the name `{0}` is taken, or was once: names are never handed out again, since cloud policies may still trust them"
    )]
    NameTaken(OrganizationName),
    #[error(
        "its issuer would be {url}, which is longer than the {MAX_ISSUER_CHARS} characters that AWS takes: choose a shorter name"
    )]
    IssuerTooLong { url: String },
    #[error(transparent)]
    MakeKey(#[from] MakeKeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the organization. With an issuer of its own, that issuer's first keys, too: they sign at once,
/// since no verifier trusts it yet.
pub async fn create_organization(
    app: &App,
    name: &str,
    keys: KeyChoice,
) -> Result<Organization, CreateOrganizationError> {
    let name = OrganizationName::parse(name)?;
    let now = app.clock.now();
    let organization = Organization { id: uuid_at(now, app.entropy.as_ref()), name, created_at: now, keys };
    let mut first_keys = Vec::new();
    if keys.own_issuer {
        let url = app.issuing.base_url.of_organization(&organization.name);
        if url.as_str().len() > MAX_ISSUER_CHARS {
            return Err(CreateOrganizationError::IssuerTooLong { url: url.to_string() });
        }
        // Keys take a while to make, and a name that is taken needs none.
        if app.store.is_name_taken(&organization.name).await? {
            return Err(CreateOrganizationError::NameTaken(organization.name));
        }
        for ring in
            rings_of_own_issuer(app, keys.issuer(organization.id), keys.algorithm == SigningAlgorithm::Es256)
        {
            first_keys.push(make_key(app, ring).await?);
        }
    }
    let created = app.store.create_organization(organization.clone(), first_keys.clone()).await?;
    if created == Create::NameTaken {
        for key in &first_keys {
            discard_key(app, key).await;
        }
        return Err(CreateOrganizationError::NameTaken(organization.name));
    }
    tracing::info!(organization = %organization.name, own_issuer = keys.own_issuer, "organization created");
    if keys != KeyChoice::default() {
        // Other processes read it at their next look, or when a verifier asks them for it.
        let _ = refresh(app).await;
    }
    Ok(organization)
}

/// The organizations that the caller may see, newest first.
pub async fn list_organizations(
    app: &App,
    caller: &Caller,
    page: PageRequest,
) -> Result<Page<Organization>, StoreError> {
    app.store.organizations(caller.only_organization(), page).await
}

/// Deletes the organization. Its own issuer's keys sign no more, and leave once its last token is over.
pub async fn delete_organization(app: &App, organization: &Organization, by: Uuid) -> Result<(), StoreError> {
    app.store.delete_organization(organization.id, by, app.clock.now()).await?;
    if organization.keys.own_issuer {
        app.store.end_issuer(organization.id).await?;
        let _ = refresh(app).await;
    }
    tracing::info!(organization = %organization.name, %by, "organization deleted");
    Ok(())
}
