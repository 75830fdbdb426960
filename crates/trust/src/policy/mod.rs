//! Trust policies: what the tokens of an issuer may become.
//!
//! The data and its JSON are Pulumi Cloud's (REST API, `AuthPolicyDefinition`), with two members of our own:
//! `syntax` and `run`. A [`Policy`] is always consistent in itself; [`saving`] refuses more, and
//! [`evaluation`] decides.

pub mod audience;
mod decision;
mod definition;
mod document;
mod entries;
mod error;
pub mod evaluation;
pub mod explanation;
pub mod limits;
mod reading;
pub mod run;
pub mod saving;
mod writing;

pub use self::decision::Decision;
pub use self::definition::{Grant, Policy, Rule};
pub use self::document::{AttributeDocument, PermissionsDocument, PolicyDocument, RunDocument, TokenType};
pub use self::entries::Entries;
pub use self::error::{PoliciesError, PolicyError};
pub use self::reading::parse_policies;

#[cfg(test)]
mod tests;
