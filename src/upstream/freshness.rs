//! How long a response may be used (RFC 9111 §4.2), within bounds that no issuer can change.

use std::time::Duration;

use reqwest::header::{AGE, CACHE_CONTROL, HeaderMap};

const SHORTEST: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_hours(24);
/// If the issuer sets no lifetime.
const USUAL: Duration = Duration::from_mins(10);

pub(super) fn of(headers: &HeaderMap) -> Duration {
    let directives: Vec<String> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|directive| directive.trim().to_ascii_lowercase())
        .collect();
    if directives.iter().any(|directive| matches!(directive.as_str(), "no-store" | "no-cache")) {
        return SHORTEST;
    }
    let max_age = directives.iter().find_map(|directive| directive.strip_prefix("max-age="));
    match max_age.and_then(|seconds| seconds.trim_matches('"').parse().ok()) {
        Some(seconds) => Duration::from_secs(seconds).saturating_sub(age(headers)).clamp(SHORTEST, LONGEST),
        None => USUAL,
    }
}

/// How long the response has been in caches on its way (RFC 9111 §5.1).
fn age(headers: &HeaderMap) -> Duration {
    let age = headers.get(AGE).and_then(|value| value.to_str().ok());
    Duration::from_secs(age.and_then(|seconds| seconds.trim().parse().ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn of_headers(cache_control: &[&str], age: Option<&str>) -> u64 {
        let mut headers = HeaderMap::new();
        for value in cache_control {
            headers.append(CACHE_CONTROL, HeaderValue::from_str(value).unwrap());
        }
        if let Some(age) = age {
            headers.insert(AGE, HeaderValue::from_str(age).unwrap());
        }
        of(&headers).as_secs()
    }

    #[test]
    fn the_issuer_sets_the_lifetime_within_bounds() {
        for (cache_control, age, seconds) in [
            (&[][..], None, 600),
            (&["max-age=300"], None, 300),
            (&["public, Max-Age=300, must-revalidate"], None, 300),
            (&["public", "max-age=300"], None, 300),
            (&["max-age=\"300\""], None, 300),
            (&["max-age=300"], Some("100"), 200),
            (&["max-age=300"], Some("1000"), 60),
            (&["max-age=0"], None, 60),
            (&["max-age=86400"], None, 86_400),
            (&["max-age=18446744073709551615"], None, 86_400),
            (&["max-age=18446744073709551616"], None, 600),
            (&["max-age=-1"], None, 600),
            (&["max-age"], None, 600),
            (&["s-maxage=5"], None, 600),
            (&["no-store, max-age=300"], None, 60),
            (&["no-cache"], None, 60),
        ] {
            assert_eq!(of_headers(cache_control, age), seconds, "{cache_control:?} {age:?}");
        }
    }
}
