//! The record of a token, and the outcome of writing it.

use jiff::Timestamp;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::domain::run::RunState;

/// A token as it is recorded, without the token itself.
#[derive(Clone, Debug)]
pub struct MintRecord {
    pub jti: Uuid,
    pub minted_at: Timestamp,
    pub run_id: Uuid,
    pub organization_id: Uuid,
    pub audience: String,
    pub subject: String,
    /// The template that made it; `None` for the service's own.
    pub subject_format: Option<String>,
    pub kid: String,
    pub expires_at: Timestamp,
    /// The caller's network address.
    pub caller: String,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Recorded {
    Recorded,
    /// The run is not active: nothing was recorded and no token may be made.
    RunEnded(RunState),
    /// By the database's clock the key does not sign: nothing was recorded. Another may.
    KeyDoesNotSign,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token could not be recorded")]
pub struct NotRecorded;

pub(super) struct Entry {
    pub(super) record: MintRecord,
    pub(super) answer: oneshot::Sender<Result<Recorded, NotRecorded>>,
}
