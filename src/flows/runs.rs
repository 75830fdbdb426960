//! Listing runs.

use crate::app::App;
use crate::domain::organization::Organization;
use crate::domain::page::{Page, PageRequest};
use crate::domain::principal::Access;
use crate::domain::run::{Run, RunFilter};
use crate::flows::authorize::Caller;
use crate::store::StoreError;

/// The organization's runs that match `filter` and that the caller may see, newest first. A page may hold fewer
/// than it was asked for: runs outside the caller's rights are left out of it.
pub async fn list_runs(
    app: &App,
    caller: &Caller,
    organization: &Organization,
    filter: &RunFilter,
    page: PageRequest,
) -> Result<Page<Run>, StoreError> {
    let mut found = app.store.runs(organization.id, filter, page, app.clock.now()).await?;
    found.items.retain(|run| caller.covers(&run.attributes, Access::Read));
    Ok(found)
}
