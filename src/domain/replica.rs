//! The processes that serve from one database.

use jiff::Timestamp;
use uuid::Uuid;

/// A process as it presents itself.
pub struct Replica {
    pub id: Uuid,
    /// For people: host and process id.
    pub name: String,
    /// The sealing keys that it can open with.
    pub sealing_keys: Vec<String>,
    pub started_at: Timestamp,
}

/// A process as the record has it.
pub struct ReplicaRecord {
    pub id: Uuid,
    pub name: String,
    pub version: String,
    pub sealing_keys: Vec<String>,
    pub seen_at: Timestamp,
}
