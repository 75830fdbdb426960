//! The grammar of durations: `90s`, `15m`, `1h30m`, `30d`.

/// The units, largest first, with their seconds.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// The seconds that `text` stands for: whole numbers, each followed by its unit `d`, `h`, `m` or `s`; larger
/// units first, each at most once. `None` for other text, a number without a unit, and more seconds than fit.
pub fn parse_seconds(text: &str) -> Option<u64> {
    let mut units = UNITS.into_iter();
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(end);
        let unit = after.chars().next()?;
        let (_, seconds) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(seconds)?)?;
        rest = &after[unit.len_utf8()..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units_from_the_largest_to_the_smallest() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("15m", 900),
            ("90m", 5_400),
            ("12h", 43_200),
            ("30d", 2_592_000),
            ("1h30m", 5_400),
            ("1d2h3m4s", 93_784),
            ("0h5s", 5),
        ] {
            assert_eq!(parse_seconds(text), Some(seconds), "{text}");
        }
        for bad in [
            "",
            "1",
            "h",
            "1.5h",
            "-1h",
            "+1h",
            "1 h",
            "1w",
            "1m1h",
            "1h1h",
            "1h30",
            "1H",
            "1é",
            "99999999999999999999d",
            "9223372036854775807d",
        ] {
            assert_eq!(parse_seconds(bad), None, "{bad}");
        }
    }
}
