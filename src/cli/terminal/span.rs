//! Times and durations, as people read them.

use jiff::{SignedDuration, Timestamp};

/// Its two largest units, rounded to the smaller, without a sign: `1 h 5 min`.
pub(in crate::cli) fn span(duration: SignedDuration) -> String {
    let seconds = match duration.as_secs().unsigned_abs() {
        exact @ 0..600 => exact,
        exact @ 600..86_370 => (exact + 30) / 60 * 60,
        exact => (exact + 1_800) / 3_600 * 3_600,
    };
    let (large, large_unit, small, small_unit) = match seconds {
        0..60 => return format!("{seconds} s"),
        60..3_600 => (seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => (seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => (seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    };
    match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    }
}

/// `in 5 min` or `5 min ago`.
pub(in crate::cli) fn from_now(time: Timestamp, now: Timestamp) -> String {
    let distance = time.duration_since(now);
    if distance.is_negative() { format!("{} ago", span(distance)) } else { format!("in {}", span(distance)) }
}

/// To the second; `-` for `None`.
pub(in crate::cli) fn time(time: impl Into<Option<Timestamp>>) -> String {
    time.into().map_or_else(|| "-".to_owned(), |time| to_the_second(time).to_string())
}

/// To the second, with its distance from `now`; `absent` for `None`.
pub(in crate::cli) fn moment(time: impl Into<Option<Timestamp>>, now: Timestamp, absent: &str) -> String {
    let said = |time| {
        let time = to_the_second(time);
        format!("{time} ({})", from_now(time, now))
    };
    time.into().map_or_else(|| absent.to_owned(), said)
}

fn to_the_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_units_are_enough() {
        let said = |seconds| span(SignedDuration::from_secs(seconds));
        assert_eq!(said(0), "0 s");
        assert_eq!(said(59), "59 s");
        assert_eq!(said(60), "1 min");
        assert_eq!(said(154), "2 min 34 s");
        assert_eq!(said(1_799), "30 min");
        assert_eq!(said(3_600), "1 h");
        assert_eq!(said(-3_899), "1 h 5 min");
        assert_eq!(said(86_369), "23 h 59 min");
        assert_eq!(said(86_370), "1 d");
        assert_eq!(said(30 * 86_400 - 1), "30 d");
        assert_eq!(said(i64::MIN), "106751991167300 d 16 h");
    }

    #[test]
    fn a_moment_is_a_time_and_its_distance() {
        let now: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let later = at("2026-11-21T10:00:00.987654321Z");
        assert_eq!(moment(later, now, "-"), "2026-11-21T10:00:00Z (in 1 h)");
        assert_eq!(moment(at("2026-11-21T08:59:30Z"), now, "-"), "2026-11-21T08:59:30Z (30 s ago)");
        assert_eq!(moment(None, now, "never"), "never");
        assert_eq!(time(later), "2026-11-21T10:00:00Z");
        assert_eq!(time(None), "-");
    }
}
