//! The discovery document, and how the server serves it and the key set.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::Url;
use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, DATE, ETAG, HeaderName, LOCATION};

use super::certificate;
use super::discovered::{Discovered, Document};
use super::finding::Finding;
use crate::cli::api::client::{Client, Seen};
use crate::cli::clouds::inspect::check::differ;
use crate::cli::terminal::environment::variable;
use crate::issuer::discovery::CONFIGURATION_PATH;

/// AWS gives up on an identity provider after five seconds.
const CLOUDS_WAIT: Duration = Duration::from_secs(5);
const QUICK: Duration = Duration::from_secs(1);
/// A token is valid from a minute before it was issued, and few verifiers allow more.
const CLOCK_OFF: i64 = 10;
const CLOCK_WRONG: i64 = 60;
/// With a longer cache a new key could sign before every verifier has fetched it: keys are published at least this long
/// ahead.
const MAX_AGE_SECONDS: u64 = 900;

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
    let document: Document = match serde_json::from_slice(&seen.body) {
        Ok(document) => document,
        Err(error) => {
            findings.push(Finding::failure(
                "discovery document",
                format!("not JSON: {error}"),
                "Does a login page or a firewall answer instead of the server?",
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

/// The given URL is an issuer, or a server with its shared issuer below `/oidc`.
async fn find(client: &Client, given: &str) -> Result<(String, Seen), Finding> {
    let failure = |why: String| {
        Finding::failure(
            "discovery",
            why,
            "Is the host name right, the port open, and the certificate from a public authority?",
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
            let to = header(&seen, &LOCATION).unwrap_or("another address").to_owned();
            return Err(Finding::failure(
                "discovery",
                format!("{issuer}{CONFIGURATION_PATH} redirects to {to}"),
                "Clouds do not follow redirects: serve the document at the issuer itself.",
            ));
        }
        last.get_or_insert(seen.status);
    }
    let status = last.map_or_else(String::new, |status| status.to_string());
    Err(Finding::failure(
        "discovery",
        format!("{given}{CONFIGURATION_PATH} answers {status}"),
        "Is this the issuer's URL? A proxy must forward /.well-known/ below it without a login.",
    ))
}

fn issuer_of(document: &Document, expected: &str) -> Finding {
    let name = "issuer";
    match document.issuer.as_deref() {
        Some(found) if found == expected => Finding::ok(name, format!("{found}, byte for byte")),
        Some(found) => Finding::failure(
            name,
            differ(expected, found),
            "Set `issuer` to the address that verifiers use, byte for byte.",
        ),
        None => Finding::failure(
            name,
            "missing from the discovery document",
            "Is this the discovery document of an issuer?",
        ),
    }
}

fn members(document: &Document) -> Finding {
    let name = "discovery document";
    let missing = document.missing();
    if !missing.is_empty() {
        return Finding::failure(
            name,
            format!("missing: {}", missing.join(", ")),
            "Entra refuses it (AADSTS70024). Does a proxy change the document?",
        );
    }
    let algorithms = document.id_token_signing_alg_values_supported.as_deref().unwrap_or_default();
    if algorithms.iter().any(|one| one == "RS256") {
        Finding::ok(name, format!("has everything that clouds need; signs with {}", algorithms.join(", ")))
    } else {
        Finding::warning(
            name,
            format!("signs with {}, not with RS256", algorithms.join(", ")),
            "Entra accepts RS256 only.",
        )
    }
}

/// How quickly an answer came, and its headers.
pub(super) fn served(name: &str, seen: &Seen) -> Vec<Finding> {
    let millis = seen.took.as_millis();
    let time = format!("{name} time");
    let mut findings = vec![if seen.took >= CLOUDS_WAIT {
        Finding::failure(
            time,
            format!("{millis} ms"),
            "AWS gives up after five seconds. Serve it from nearer, or publish a static copy (`publish`).",
        )
    } else if seen.took >= QUICK {
        Finding::warning(
            time,
            format!("{millis} ms"),
            "AWS gives up after five seconds. Find out why the answer is slow.",
        )
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
            Finding::warning(cache, format!("Cache-Control: {text}"), "Verifiers then fetch it each time, and some cache it for a day all the same. Does a proxy change the header?")
        }
        (_, Some(seconds)) if seconds > MAX_AGE_SECONDS => {
            Finding::warning(cache, format!("max-age is {seconds} s"), "Verifiers see new keys that much later: publish keys further ahead than this.")
        }
        (_, Some(seconds)) => {
            let etag = if seen.headers.contains_key(ETAG) { "with an ETag" } else { "without an ETag" };
            Finding::ok(cache, format!("max-age {seconds} s, {etag}"))
        }
        _ => Finding::warning(cache, "no max-age", "Some verifiers then cache it for a day. Does a proxy remove Cache-Control?"),
    });
    let kind = header(seen, &CONTENT_TYPE).unwrap_or("none");
    if !kind.starts_with("application/json") && !kind.starts_with("application/jwk-set+json") {
        findings.push(Finding::warning(
            format!("{name} type"),
            format!("Content-Type is {kind}"),
            "Some verifiers require application/json.",
        ));
    }
    findings
}

fn clock(seen: &Seen, now: Timestamp) -> Finding {
    let name = "clock";
    let date = header(seen, &DATE).and_then(|text| rfc2822::parse(text).ok());
    let Some(date) = date else {
        return Finding::skipped(name, "the answer has no `Date` header");
    };
    let off = date.timestamp().as_second() - now.as_second();
    let detail = format!("the server's clock differs from this machine's by {off} s");
    let remedy = "Clouds tolerate about a minute. Synchronize both clocks by NTP; `timedatectl` shows which of them is wrong.";
    match off.abs() {
        0..=CLOCK_OFF => Finding::ok(name, detail),
        off if off <= CLOCK_WRONG => Finding::warning(name, detail, remedy),
        _ => Finding::failure(name, detail, remedy),
    }
}

fn header<'s>(seen: &'s Seen, name: &HeaderName) -> Option<&'s str> {
    seen.headers.get(name).and_then(|value| value.to_str().ok())
}

/// The address of the key set, if clouds accept it.
pub(super) fn jwks_uri(found: &Discovered) -> Result<String, Finding> {
    let name = "key set address";
    let text = found.document.jwks_uri.as_deref().unwrap_or_default();
    let same_origin =
        |url: &Url| Url::parse(&found.issuer).is_ok_and(|issuer| issuer.origin() == url.origin());
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" || same_origin(&url) => Ok(url.into()),
        _ => Err(Finding::failure(
            name,
            format!("jwks_uri is `{text}`"),
            "It must be an https URL: clouds fetch keys from nowhere else.",
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
        let document = |issuer: &str| serde_json::from_value(json!({"issuer": issuer})).unwrap();
        let of = |issuer: &str| issuer_of(&document(issuer), "https://i/oidc");
        assert_eq!(of("https://i/oidc").outcome, Outcome::Ok);
        assert!(of("https://i/oidc/").detail.contains("slash"));
        assert_eq!(members(&document("x")).outcome, Outcome::Failure);
    }
}
