//! The discovery document, and how it and the key set are served.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::Url;
use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, DATE, ETAG, HeaderName, LOCATION};
use serde_json::Value;

use super::certificate;
use super::discovered::Discovered;
use super::finding::Finding;
use crate::cli::api::client::{Client, Seen};
use crate::cli::clouds::inspect::check::differ;
use crate::cli::terminal::environment::variable;
use crate::issuer::discovery::CONFIGURATION_PATH;

/// "The identity provider does not answer within five seconds" is a cause that AWS names for failed tokens.
const CLOUDS_WAIT: Duration = Duration::from_secs(5);
const QUICK: Duration = Duration::from_secs(1);
/// A token is valid from a minute before it was made, and few verifiers allow more.
const CLOCK_OFF: i64 = 10;
const CLOCK_WRONG: i64 = 60;
/// Longer, and a rotation takes longer to reach everybody than keys are published ahead at the least.
const MAX_AGE_SECONDS: u64 = 900;

/// What every cloud needs of the document (OpenID Connect Discovery 1.0 §3).
const REQUIRED: [&str; 5] = [
    "issuer",
    "jwks_uri",
    "response_types_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
];

pub(super) async fn examine(
    client: &Client,
    given: &str,
    now: Timestamp,
    findings: &mut Vec<Finding>,
) -> Option<Discovered> {
    let (issuer, seen) = match find(client, given).await {
        Ok(found) => found,
        Err(finding) => {
            findings.push(finding);
            return None;
        }
    };
    findings.extend(
        seen.certificate
            .as_ref()
            .map(|der| certificate::examine(der, variable("RUNMINT_CA_FILE").is_some(), now)),
    );
    findings.push(clock(&seen, now));
    findings.extend(served("discovery", &seen));
    let document: Value = match serde_json::from_slice(&seen.body) {
        Ok(document) => document,
        Err(error) => {
            findings.push(Finding::failure(
                "discovery document",
                format!("it is not JSON: {error}"),
                "Does a login page or a firewall stand in front?",
            ));
            return None;
        }
    };
    findings.push(issuer_of(&document, &issuer));
    findings.push(members(&document));
    let base = issuer.strip_suffix("/oidc").unwrap_or(&issuer).to_owned();
    let base = base.rsplit_once("/orgs/").map_or(base.clone(), |(base, _)| base.to_owned());
    Some(Discovered { issuer, base, document })
}

/// The issuer is what is given, or the shared one of the server that is given.
async fn find(client: &Client, given: &str) -> Result<(String, Seen), Finding> {
    let failure = |why: String| {
        Finding::failure(
            "discovery",
            why,
            "Is the name right, the port open, and the certificate of a public authority?",
        )
    };
    let mut last = None;
    for issuer in [given.to_owned(), format!("{given}/oidc")] {
        let seen = client
            .look(&format!("{issuer}{CONFIGURATION_PATH}"))
            .await
            .map_err(|why| failure(why.to_string()))?;
        if seen.status.is_success() {
            return Ok((issuer, seen));
        }
        if seen.status.is_redirection() {
            let to = header(&seen, &LOCATION).unwrap_or("somewhere").to_owned();
            return Err(Finding::failure(
                "discovery",
                format!("{issuer}{CONFIGURATION_PATH} redirects to {to}"),
                "Clouds do not follow: serve the document at the issuer itself.",
            ));
        }
        last.get_or_insert(seen.status);
    }
    let status = last.map_or_else(String::new, |status| status.to_string());
    Err(Finding::failure(
        "discovery",
        format!("{given}{CONFIGURATION_PATH} answers {status}"),
        "Is this the issuer's URL? A proxy must pass /.well-known/ below it on, without a login.",
    ))
}

fn issuer_of(document: &Value, expected: &str) -> Finding {
    let name = "issuer";
    match document["issuer"].as_str() {
        Some(found) if found == expected => Finding::ok(name, format!("{found}, byte for byte")),
        Some(found) => Finding::failure(
            name,
            differ(expected, found),
            "Set `issuer` to the address that verifiers use, byte for byte.",
        ),
        None => Finding::failure(name, "the discovery document has none", "Is this an issuer's document?"),
    }
}

fn members(document: &Value) -> Finding {
    let name = "discovery document";
    let missing: Vec<&str> =
        REQUIRED.into_iter().filter(|member| document.get(member).is_none_or(Value::is_null)).collect();
    if !missing.is_empty() {
        return Finding::failure(
            name,
            format!("{} missing", missing.join(", ")),
            "Entra refuses it (AADSTS70024). Does a proxy change the document?",
        );
    }
    let algorithms: Vec<&str> = document["id_token_signing_alg_values_supported"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if algorithms.contains(&"RS256") {
        Finding::ok(name, format!("has what clouds need; signs with {}", algorithms.join(", ")))
    } else {
        Finding::warning(
            name,
            format!("signs with {}, not with RS256", algorithms.join(", ")),
            "Entra takes RS256 alone.",
        )
    }
}

/// Time and headers of an answer.
pub(super) fn served(name: &str, seen: &Seen) -> Vec<Finding> {
    let millis = seen.took.as_millis();
    let time = format!("{name} time");
    let mut findings = vec![if seen.took >= CLOUDS_WAIT {
        Finding::failure(
            time,
            format!("{millis} ms"),
            "AWS gives up after five seconds. Serve it from nearer, or from a static copy (`publish`).",
        )
    } else if seen.took >= QUICK {
        Finding::warning(time, format!("{millis} ms"), "AWS gives up after five seconds. What takes so long?")
    } else {
        Finding::ok(time, format!("{millis} ms"))
    }];
    let cache = format!("{name} caching");
    let control = header(seen, &CACHE_CONTROL);
    let max_age = control.and_then(|text| {
        text.split(',').find_map(|part| part.trim().strip_prefix("max-age=")?.parse::<u64>().ok())
    });
    findings.push(match (control, max_age) {
        (Some(text), _) if text.contains("no-store") || text.contains("private") => {
            Finding::warning(cache, format!("Cache-Control: {text}"), "Verifiers then ask each time, and some keep it for a day nevertheless. Does a proxy change the header?")
        }
        (_, Some(seconds)) if seconds > MAX_AGE_SECONDS => {
            Finding::warning(cache, format!("max-age is {seconds} s"), "Verifiers learn of new keys that much later: publish keys longer ahead than this.")
        }
        (_, Some(seconds)) => {
            let etag = if seen.headers.contains_key(ETAG) { "with an ETag" } else { "without an ETag" };
            Finding::ok(cache, format!("max-age {seconds} s, {etag}"))
        }
        _ => Finding::warning(cache, "no max-age", "Some verifiers keep it for a day then. Does a proxy remove Cache-Control?"),
    });
    let kind = header(seen, &CONTENT_TYPE).unwrap_or("none");
    if !kind.starts_with("application/json") && !kind.starts_with("application/jwk-set+json") {
        findings.push(Finding::warning(
            format!("{name} type"),
            format!("Content-Type is {kind}"),
            "Some verifiers insist on application/json.",
        ));
    }
    findings
}

fn clock(seen: &Seen, now: Timestamp) -> Finding {
    let name = "clock";
    let date = header(seen, &DATE).and_then(|text| rfc2822::parse(text).ok());
    let Some(date) = date else {
        return Finding::skipped(name, "the answer has no Date");
    };
    let off = date.timestamp().as_second() - now.as_second();
    let detail = format!("the server's differs from this machine's by {off} s");
    let remedy = "Clouds allow about a minute at most. Let both follow NTP; which of the two is wrong, `timedatectl` tells.";
    match off.abs() {
        0..=CLOCK_OFF => Finding::ok(name, detail),
        off if off <= CLOCK_WRONG => Finding::warning(name, detail, remedy),
        _ => Finding::failure(name, detail, remedy),
    }
}

fn header<'s>(seen: &'s Seen, name: &HeaderName) -> Option<&'s str> {
    seen.headers.get(name).and_then(|value| value.to_str().ok())
}

/// Where the keys are, where that is a place that clouds take them from.
pub(super) fn jwks_uri(found: &Discovered) -> Result<String, Finding> {
    let name = "key set address";
    let text = found.document["jwks_uri"].as_str().unwrap_or_default();
    let same_origin =
        |url: &Url| Url::parse(&found.issuer).is_ok_and(|issuer| issuer.origin() == url.origin());
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" || same_origin(&url) => Ok(url.into()),
        _ => Err(Finding::failure(
            name,
            format!("jwks_uri is `{text}`"),
            "It must be https, as clouds take keys from nowhere else.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;
    use serde_json::json;

    use super::super::finding::Outcome;
    use super::*;

    fn seen(headers: &[(&'static str, &str)], took: Duration) -> Seen {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Seen { status: StatusCode::OK, headers: map, body: Vec::new(), certificate: None, took }
    }

    fn outcomes(findings: &[Finding]) -> Vec<Outcome> {
        findings.iter().map(|finding| finding.outcome).collect()
    }

    #[test]
    fn slow_and_uncached_answers_are_named() {
        use Outcome::{Failure, Ok, Warning};
        let json = ("content-type", "application/json");
        let cached = ("cache-control", "public, max-age=300");
        let of = |headers: &[(&'static str, &str)], millis| {
            outcomes(&served("x", &seen(headers, Duration::from_millis(millis))))
        };
        assert_eq!(of(&[json, cached], 10), [Ok, Ok]);
        assert_eq!(of(&[json, cached], 1_000), [Warning, Ok]);
        assert_eq!(of(&[json, cached], 5_000), [Failure, Ok]);
        assert_eq!(of(&[json, ("cache-control", "no-store")], 10), [Ok, Warning]);
        assert_eq!(of(&[json, ("cache-control", "max-age=86400")], 10), [Ok, Warning]);
        assert_eq!(of(&[json], 10), [Ok, Warning]);
        assert_eq!(of(&[("content-type", "text/html"), cached], 10), [Ok, Ok, Warning]);
    }

    #[test]
    fn a_wrong_clock_is_named() {
        let at = |date: &str| {
            clock(&seen(&[("date", date)], Duration::ZERO), "2026-11-21T10:00:00Z".parse().unwrap()).outcome
        };
        assert_eq!(at("Sat, 21 Nov 2026 10:00:05 GMT"), Outcome::Ok);
        assert_eq!(at("Sat, 21 Nov 2026 09:59:30 GMT"), Outcome::Warning);
        assert_eq!(at("Sat, 21 Nov 2026 10:05:00 GMT"), Outcome::Failure);
        assert_eq!(at("yesterday"), Outcome::Skipped);
    }

    #[test]
    fn the_issuer_is_compared_byte_for_byte() {
        let of = |issuer: &str| issuer_of(&json!({"issuer": issuer}), "https://i/oidc");
        assert_eq!(of("https://i/oidc").outcome, Outcome::Ok);
        assert!(of("https://i/oidc/").detail.contains("slash"));
        assert_eq!(members(&json!({"issuer": "x"})).outcome, Outcome::Failure);
    }
}
