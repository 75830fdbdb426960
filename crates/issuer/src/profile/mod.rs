//! Audience profiles: one identity, told to each relying party in the form that it can use.
//!
//! An organization's owner writes them, and what a token says is somebody's cloud account: so no profile can
//! make a subject that another organization's or another service's runs could have.

mod aws;
mod check;
mod claims;
mod compiled;
mod definition;
mod error;
mod limits;
pub mod presets;
mod setting;
mod shape;
mod shaping;
mod subject;

pub use self::compiled::{AudienceProfiles, governing};
pub use self::definition::{PreviousFor, ProfileAlgorithm, ProfileDefinition, ProfileDefinitions};
pub use self::error::{DefinitionError, ProfileError, SubjectRefusal};
pub use self::limits::MAX_PROFILES;
pub use self::setting::Setting;
pub use self::shape::{Facts, Shape, ShapeError};

#[cfg(test)]
mod tests;
