//! Commands about relying parties: credentials for a run, trust documents, and finding out why a token was refused.

pub(super) mod cloud_credentials;
pub(super) mod diagnose;
pub(super) mod doctor;
pub(super) mod exec;
pub(super) mod handover;
pub(super) mod inspect;
pub(super) mod trust_documents;
