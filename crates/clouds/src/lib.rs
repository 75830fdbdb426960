//! What relying parties need and refuse.

pub mod errors;
pub mod exchange;
pub mod handover;
pub mod limits;
pub mod session_name;
pub mod settings;
pub mod trust_documents;
