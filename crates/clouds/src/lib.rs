//! The relying parties' side, without HTTP: cloud settings and limits, token exchanges, the environment of commands,
//! known errors and trust documents.

pub mod errors;
pub mod exchange;
pub mod handover;
pub mod limits;
pub mod session_name;
pub mod settings;
pub mod trust_documents;
