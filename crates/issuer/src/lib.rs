//! What this issuer says: its name, whom it speaks of, and what each kind of run carries.

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
