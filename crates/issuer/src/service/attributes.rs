//! The attributes that an orchestrator attests, checked against the service's declaration.

use std::collections::BTreeMap;

use thiserror::Error;

use super::definition::AttributeDefinition;

pub(super) const MAX_ATTRIBUTE_BYTES: usize = 255;

/// Attribute → value.
pub type Attributes = BTreeMap<String, String>;

/// Why a run's attributes were refused. Each error names the attribute and what would be accepted.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AttributeError {
    #[error("attribute `{0}` is missing")]
    Missing(String),
    #[error("attribute `{name}` is not one of this service's attributes: {known}")]
    Unknown { name: String, known: String },
    #[error("attribute `{0}` is empty")]
    Empty(String),
    #[error("attribute `{name}` has {bytes} bytes; at most {MAX_ATTRIBUTE_BYTES} are accepted")]
    TooLong { name: String, bytes: usize },
    #[error("attribute `{0}` has white space at its beginning or end")]
    WhiteSpace(String),
    #[error("attribute `{name}` must be one of {allowed}, not `{found}`")]
    NotAllowed { name: String, allowed: String, found: String },
}

impl AttributeDefinition {
    pub(super) fn is_required(&self) -> bool {
        self.default.is_none() && self.required.unwrap_or(true)
    }

    pub(super) fn may_be_absent(&self) -> bool {
        self.default.is_none() && !self.is_required()
    }

    pub(super) fn check(&self, name: &str, value: &str) -> Result<(), AttributeError> {
        if value.is_empty() {
            return Err(AttributeError::Empty(name.to_owned()));
        }
        if value.len() > MAX_ATTRIBUTE_BYTES {
            return Err(AttributeError::TooLong { name: name.to_owned(), bytes: value.len() });
        }
        if value.trim() != value {
            return Err(AttributeError::WhiteSpace(name.to_owned()));
        }
        match &self.values {
            Some(allowed) if !allowed.iter().any(|one| one == value) => Err(AttributeError::NotAllowed {
                name: name.to_owned(),
                allowed: allowed.join(", "),
                found: value.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}
