//! The contents of tokens: issuer, subject, audience, claims and lifetime, for each service and audience.

pub mod audience;
pub mod claims;
pub mod discovery;
pub mod duration;
pub mod lifetime;
pub mod organization_name;
pub mod profile;
pub mod service;
pub mod subject;
pub mod url;
