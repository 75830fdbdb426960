//! Static copies of discovery document and key set.

use jiff::Timestamp;

pub struct CopyRecord {
    pub target: String,
    /// The revision that was written and read back; `None` if the content of the copy is unknown.
    pub revision: Option<i64>,
    pub written_at: Option<Timestamp>,
}
