//! Providers of Google Cloud's workload identity pools: an attribute mapping and a condition, both in the Common
//! Expression Language (Google Cloud IAM, `projects.locations.workloadIdentityPools.providers`).

mod evaluate;
mod limits;
mod lint;
mod provider;
mod resource;
mod write;

pub use self::provider::{GoogleProvider, ProviderError};
pub use self::write::GoogleTarget;
