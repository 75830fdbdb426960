//! The cloud settings of an organization: saved whole, version by version, and found for a run.

use serde_json::{Map, Value};
use thiserror::Error;
use uuid::Uuid;

use crate::app::App;
pub use crate::clouds::settings::document::CloudEntry;
use crate::clouds::settings::document::{CloudDocument, CloudDocumentError};
use crate::domain::document::{Document, DocumentKind};
use crate::domain::organization::Organization;
use crate::issuer::service::Attributes;
use crate::store::StoreError;
use crate::store::documents::NewDocument;

#[derive(Debug, Error)]
pub enum CloudSettingsError {
    #[error(transparent)]
    Document(#[from] CloudDocumentError),
    #[error("the cloud settings are no longer at version {0}: read them again")]
    Changed(i64),
    #[error("the saved cloud settings cannot be read: {0}")]
    Saved(serde_json::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The version in force; `None` where there never was one.
pub async fn cloud_settings(
    app: &App,
    organization: &Organization,
) -> Result<Option<Document>, CloudSettingsError> {
    Ok(app.store.document(DocumentKind::CloudSettings, organization.id).await?)
}

/// Puts these in the place of version `replaces`.
pub async fn replace_cloud_settings(
    app: &App,
    organization: &Organization,
    replaces: i64,
    settings: Vec<CloudEntry>,
    by: Uuid,
) -> Result<Document, CloudSettingsError> {
    let document =
        CloudDocument::new(settings, |operation| app.issuing.services.take("operation", operation))?;
    let content = serde_json::to_value(document.entries()).map_err(CloudSettingsError::Saved)?;
    let now = app.clock.now();
    let new = NewDocument {
        kind: DocumentKind::CloudSettings,
        organization_id: organization.id,
        replaces,
        content: &content,
        by,
        now,
        wants_es256: false,
    };
    if !app.store.replace_document(new).await? {
        return Err(CloudSettingsError::Changed(replaces));
    }
    let version = replaces.saturating_add(1);
    tracing::info!(organization = %organization.name, version, %by, "cloud settings replaced");
    Ok(Document { version, content, created_at: now })
}

/// The part of the saved settings that a run with these attributes gets.
pub fn resolve(saved: Value, attributes: &Attributes) -> Result<Map<String, Value>, CloudSettingsError> {
    let entries = serde_json::from_value(saved).map_err(CloudSettingsError::Saved)?;
    let settings = CloudDocument::of_saved(entries).resolve(attributes);
    match serde_json::to_value(settings).map_err(CloudSettingsError::Saved)? {
        Value::Object(settings) => Ok(settings),
        _ => Ok(Map::new()),
    }
}
