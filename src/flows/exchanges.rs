//! Listing the exchanges of a trusted issuer's tokens.

use crate::app::App;
use crate::domain::exchange::Exchanged;
use crate::domain::page::{Page, PageRequest};
use crate::domain::trusted_issuer::TrustedIssuer;
use crate::store::StoreError;

/// Granted and refused exchanges, newest first.
pub async fn list_exchanges(
    app: &App,
    issuer: &TrustedIssuer,
    page: PageRequest,
) -> Result<Page<Exchanged>, StoreError> {
    app.store.exchanges(issuer.id, page).await
}
