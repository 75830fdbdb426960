//! Durations in settings and flags: `90s`, `15m`, `1h30m`, `30d`.

use std::fmt;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, de};

use crate::issuer::duration::parse_seconds;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextDuration(pub SignedDuration);

impl TextDuration {
    /// Reads whole numbers with their units `d`, `h`, `m` and `s`, larger units first. Refuses a number
    /// without a unit: a reader could not tell whether it means seconds.
    pub fn parse(text: &str) -> Option<Self> {
        // A plus sign has been accepted since the first release.
        let seconds = parse_seconds(text.strip_prefix('+').unwrap_or(text))?;
        i64::try_from(seconds).ok().map(SignedDuration::from_secs).map(Self)
    }
}

impl fmt::Display for TextDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (number, unit) = match seconds {
            0 => (0, 's'),
            s if s % 86_400 == 0 => (s / 86_400, 'd'),
            s if s % 3_600 == 0 => (s / 3_600, 'h'),
            s if s % 60 == 0 => (s / 60, 'm'),
            s => (s, 's'),
        };
        write!(f, "{number}{unit}")
    }
}

impl<'de> Deserialize<'de> for TextDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!("`{text}` is not a valid duration; write 90s, 15m, 12h or 30d"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_several_units_and_writes_one() {
        assert_eq!(TextDuration::parse("1h30m").map(|duration| duration.to_string()), Some("90m".to_owned()));
        for text in ["0s", "90s", "15m", "12h", "30d"] {
            assert_eq!(TextDuration::parse(text).map(|duration| duration.to_string()), Some(text.to_owned()));
        }
        for bad in ["", "1", "h", "1.5h", "-1h", "1 h", "1w", "99999999999999999999d", "9223372036854775807d"]
        {
            assert_eq!(TextDuration::parse(bad), None, "{bad}");
        }
    }
}
