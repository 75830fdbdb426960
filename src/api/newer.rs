//! Values that a newer server may write in another form.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
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

impl<T: DeserializeOwned> OrNewer<T> {
    pub fn read(json: Value) -> Self {
        T::deserialize(&json).map_or(Self::Newer(json), Self::Known)
    }
}

impl<T> From<T> for OrNewer<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

/// The schema of `T`: the other form is not known yet.
impl<T: JsonSchema> JsonSchema for OrNewer<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
