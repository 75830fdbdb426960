//! The lifetime of a cloud's credentials: seconds, or text such as `1h30m`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use runmint_issuer::duration::parse_seconds;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// From `MIN` to `MAX` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloudDuration<const MIN: u32, const MAX: u32> {
    seconds: u32,
}

/// Why a duration is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DurationError {
    #[error("`{0}` is not a valid duration: write seconds, or hours, minutes and seconds as in `1h30m`")]
    Form(String),
    #[error("a duration of {found} s is out of bounds: {min} s to {max} s are accepted")]
    OutOfBounds { min: u32, max: u32, found: u64 },
}

impl<const MIN: u32, const MAX: u32> CloudDuration<MIN, MAX> {
    /// Errors if `seconds` is out of bounds.
    pub fn of_seconds(seconds: u64) -> Result<Self, DurationError> {
        match u32::try_from(seconds) {
            Ok(seconds) if (MIN..=MAX).contains(&seconds) => Ok(Self { seconds }),
            _ => Err(DurationError::OutOfBounds { min: MIN, max: MAX, found: seconds }),
        }
    }

    /// In seconds.
    pub fn seconds(self) -> u32 {
        self.seconds
    }
}

impl<const MIN: u32, const MAX: u32> FromStr for CloudDuration<MIN, MAX> {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let seconds = seconds_of(text).ok_or_else(|| DurationError::Form(text.chars().take(40).collect()))?;
        Self::of_seconds(seconds)
    }
}

/// Digits alone are seconds, as clouds' own tools write them.
fn seconds_of(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { parse_seconds(text) }
}

impl<const MIN: u32, const MAX: u32> fmt::Display for CloudDuration<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(self.seconds / 3_600, 'h'), (self.seconds / 60 % 60, 'm'), (self.seconds % 60, 's')];
        parts
            .iter()
            .filter(|(number, _)| *number > 0)
            .try_for_each(|(number, unit)| write!(f, "{number}{unit}"))
    }
}

impl<const MIN: u32, const MAX: u32> Serialize for CloudDuration<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<const MIN: u32, const MAX: u32> JsonSchema for CloudDuration<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "CloudDuration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["integer", "string"]})
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for CloudDuration<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a duration is seconds, or text as in `1h30m`")]
        enum Written {
            Seconds(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Seconds(seconds) => Self::of_seconds(seconds),
            Written::Text(text) => text.parse(),
        }
        .map_err(de::Error::custom)
    }
}
