//! The audience, `aud` (RFC 7519 §4.1.3): always one plain string.

use serde::Serialize;
use thiserror::Error;

/// Google accepts at most 256 characters per audience (`iam.v1` workload identity pool providers).
pub const MAX_AUDIENCE_BYTES: usize = 256;

/// 1 to 256 bytes, without control characters and without white space at its ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audience(String);

/// The text is not a valid audience.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AudienceError {
    #[error("an audience must not be empty")]
    Empty,
    #[error("an audience has at most {MAX_AUDIENCE_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    #[error("an audience must have no control characters and no white space at its ends")]
    Characters,
}

impl Audience {
    /// Parses an audience. Refuses empty text, more than `MAX_AUDIENCE_BYTES` bytes, control characters, and white
    /// space at its ends.
    pub fn parse(text: &str) -> Result<Self, AudienceError> {
        if text.is_empty() {
            return Err(AudienceError::Empty);
        }
        if text.len() > MAX_AUDIENCE_BYTES {
            return Err(AudienceError::TooLong(text.len()));
        }
        if text.chars().any(char::is_control) || text.trim() != text {
            return Err(AudienceError::Characters);
        }
        Ok(Self(text.to_owned()))
    }

    /// The value of `aud`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_empty_long_and_unprintable_audiences() {
        assert!(Audience::parse("api://AzureADTokenExchange").is_ok());
        assert!(Audience::parse(&"é".repeat(128)).is_ok());
        assert_eq!(Audience::parse(""), Err(AudienceError::Empty));
        assert_eq!(Audience::parse(&"é".repeat(129)), Err(AudienceError::TooLong(258)));
        for bad in [" acme", "acme ", "a\u{0}b", "a\nb", "a\u{85}b", "\u{a0}"] {
            assert_eq!(Audience::parse(bad), Err(AudienceError::Characters), "{bad:?}");
        }
    }
}
