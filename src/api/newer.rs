//! Values that a newer server may write in another form.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A `T`, or the JSON of a newer server that this version cannot read as one. Writes back what it read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OrNewer<T> {
    Known(T),
    Newer(Value),
}

impl<T> OrNewer<T> {
    /// The value, if this version can read it.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Newer(_) => None,
        }
    }
}

impl<T> From<T> for OrNewer<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}
