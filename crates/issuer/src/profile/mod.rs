//! Audience profiles: the identity of a run, in the form that each relying party can use.
//!
//! An organization's owner writes them, and a token gives access to a cloud account. So no profile can give a
//! subject that runs of another organization or service could have.

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
