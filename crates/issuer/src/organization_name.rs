//! The name of an organization, as in `aud` and `sub`.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

/// `[a-z0-9][a-z0-9-]{0,62}`: lower case only, because AWS compares `aud` case-sensitively.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct OrganizationName(String);

/// The text is not a valid organization name.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "an organization's name must be 1 to 63 lower-case letters, digits and hyphens, and must not begin with a hyphen"
)]
pub struct OrganizationNameError;

impl OrganizationName {
    /// Parses a name. Refuses text outside `[a-z0-9][a-z0-9-]{0,62}`.
    pub fn parse(text: &str) -> Result<Self, OrganizationNameError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=63).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(OrganizationNameError)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrganizationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_documented_alphabet_and_nothing_else() {
        for good in ["a", "acme", "0-9", "a-", &"x".repeat(63)] {
            assert!(OrganizationName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "Acme", "a_b", "a.b", "a b", "a:b", "é", "a\n", &"x".repeat(64)] {
            assert_eq!(OrganizationName::parse(bad), Err(OrganizationNameError), "{bad}");
        }
    }
}
