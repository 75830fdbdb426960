//! The database's clock: the one authority for the schedule of keys, whatever the clocks of the processes
//! say.

use std::sync::Arc;

use crate::clock::Clock;

/// Where a statement takes the time from, and whether the database can be reached. In service both are
/// the database's own matter; a test decides them.
#[derive(Clone, Default)]
pub(super) struct Time {
    pub(super) clock: Option<Arc<dyn Clock>>,
    pub(super) weather: Option<Arc<dyn Weather>>,
}

/// Simulates an unreliable connection to the database.
pub trait Weather: Send + Sync + 'static {
    /// Asked before and after each access to the records of keys; `false` when it is lost.
    fn passes(&self) -> bool;
}
