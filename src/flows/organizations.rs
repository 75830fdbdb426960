//! Making organizations.

use thiserror::Error;

use crate::app::App;
use crate::entropy::uuid_at;
use crate::issuer::organization_name::{OrganizationName, OrganizationNameError};
use crate::store::StoreError;
use crate::store::organizations::{Create, Organization};

#[derive(Debug, Error)]
pub enum CreateOrganizationError {
    #[error(transparent)]
    Name(#[from] OrganizationNameError),
    #[error(
        "the name `{0}` is taken, or was once: names are never handed out again, since cloud policies may still trust them"
    )]
    NameTaken(OrganizationName),
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub async fn create_organization(app: &App, name: &str) -> Result<Organization, CreateOrganizationError> {
    let name = OrganizationName::parse(name)?;
    let now = app.clock.now();
    let organization = Organization { id: uuid_at(now, app.entropy.as_ref()), name, created_at: now };
    match app.store.create_organization(&organization).await? {
        Create::Created => {
            tracing::info!(organization = %organization.name, "organization created");
            Ok(organization)
        }
        Create::NameTaken => Err(CreateOrganizationError::NameTaken(organization.name)),
    }
}
