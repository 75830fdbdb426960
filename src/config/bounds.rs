//! Bounds of settings.

use jiff::SignedDuration;

use super::duration::TextDuration;
use super::error::{ConfigError, value_error};

pub(super) fn within(
    setting: &str,
    TextDuration(found): TextDuration,
    min: SignedDuration,
    max: SignedDuration,
) -> Result<SignedDuration, ConfigError> {
    if (min..=max).contains(&found) {
        return Ok(found);
    }
    let why = format!(
        "must be between {} and {}, not {}",
        TextDuration(min),
        TextDuration(max),
        TextDuration(found)
    );
    Err(value_error(setting, &why))
}

pub(super) fn count(setting: &str, found: i64, min: u32, max: u32) -> Result<u32, ConfigError> {
    match u32::try_from(found) {
        Ok(count) if (min..=max).contains(&count) => Ok(count),
        _ => Err(value_error(setting, &format!("must be between {min} and {max}, not {found}"))),
    }
}
