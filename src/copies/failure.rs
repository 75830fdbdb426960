//! Errors in our own words. The store's errors are never shown whole: they repeat the server's answer and the
//! requested address, and either can contain a credential.

use std::error::Error as StdError;
use std::iter;

use object_store::client::{HttpError, HttpErrorKind};
use thiserror::Error;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum PublishError {
    #[error(
        "the target {why}; targets are file:///folder, s3://bucket/prefix, gs://bucket/prefix and \
         az://container/prefix"
    )]
    Target { why: &'static str },
    #[error("{variable} {why}")]
    Variable { variable: String, why: &'static str },
    #[error(
        "could not open {target}: {problem}; its settings are the environment variables AWS_*, GOOGLE_* or \
         AZURE_*"
    )]
    Settings { target: String, problem: String },
    #[error("`{path}` is not a valid object path: use plain parts, separated by single slashes")]
    Path { path: String },
    #[error("{value:?} is not a valid Cache-Control header")]
    CacheControl { value: String },
    #[error(
        "could not get credentials for {path} at {target}: {what}; check the files and addresses in the \
         environment"
    )]
    Credentials { path: String, target: String, what: String },
    #[error("{doing} {path} at {target} failed: {what}; {advice}")]
    Failed { doing: &'static str, path: String, target: String, what: String, advice: &'static str },
    #[error(
        "{path} was written to {target} and came back with {difference}; check whether something else \
         writes there or the store changes what it is given, and publish again"
    )]
    Altered { path: String, target: String, difference: &'static str },
    #[error(
        "{path} was not published at {target} within {seconds} seconds; check whether the store can be \
         reached, and publish again"
    )]
    TooLate { path: String, target: String, seconds: u64 },
}

/// What surrounds the store's error code, in the XML of all three clouds.
const CODE: (&str, &str) = ("<Code>", "</Code>");
const MAX_CODE_CHARS: usize = 64;
/// What the store's client writes before the status of an answer.
const STATUS: &str = "Server returned non-2xx status code: ";

const BARE_REDIRECT: &str = "Received redirect without LOCATION";

/// Why a request failed, and what the operator can do.
pub(super) struct Reason {
    pub(super) what: String,
    pub(super) advice: &'static str,
}

const UNWELL: &str = "check that the store is available, and publish again";
const ELSEWHERE: &str = "check the region and the endpoint";
const UNREACHED: &str = "check that the endpoint is right and reachable from here";

pub(super) fn reason(error: &object_store::Error) -> Reason {
    for cause in causes(error) {
        if let Some(broken) = cause.downcast_ref::<HttpError>() {
            return connection(broken);
        }
        if let Some(failure) = cause.downcast_ref::<std::io::Error>() {
            let advice = "check that the folder is writable";
            return Reason { what: failure.to_string(), advice };
        }
        if let Some(answer) = cause.to_string().strip_prefix(STATUS) {
            return refusal(answer);
        }
        if cause.to_string().starts_with(BARE_REDIRECT) {
            let what = "the answer is a redirect without a Location header".to_owned();
            return Reason { what, advice: ELSEWHERE };
        }
    }
    let what = "the answer is not one that such a store gives".to_owned();
    Reason { what, advice: "check the endpoint" }
}

/// Why a store could not be opened. The innermost cause does not quote settings, but may lack the name of a
/// file.
pub(super) fn settings_problem(error: &object_store::Error) -> String {
    let causes: Vec<_> = causes(error).collect();
    let [.., outer, inner] = &causes[..] else { return error.to_string() };
    if let Some(json) = inner.downcast_ref::<serde_json::Error>() {
        let (line, column) = (json.line(), json.column());
        return format!(
            "its credentials are not the JSON of a service account or an authorized user (line {line}, column \
             {column})"
        );
    }
    if inner.is::<base64::DecodeError>() {
        return "its key is not base64".to_owned();
    }
    let shown = if inner.is::<std::io::Error>() { outer } else { inner };
    shown.to_string()
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |error| (**error).source())
}

fn connection(broken: &HttpError) -> Reason {
    // The innermost cause contains nothing from the request.
    let innermost = causes(broken).last().map(ToString::to_string).unwrap_or_default();
    match broken.kind() {
        HttpErrorKind::Connect => Reason { what: format!("no connection: {innermost}"), advice: UNREACHED },
        HttpErrorKind::Timeout => Reason { what: "no answer in time".to_owned(), advice: UNWELL },
        _ => Reason { what: format!("the connection failed: {innermost}"), advice: UNREACHED },
    }
}

/// The status and the code from `403 Forbidden: <Error><Code>AccessDenied</Code>…`. A code consists of
/// letters only.
fn refusal(answer: &str) -> Reason {
    let (status, body) = answer.split_once(": ").unwrap_or((answer, ""));
    let plain = |text: &str| text.len() <= MAX_CODE_CHARS && text.chars().all(|c| c.is_ascii_alphabetic());
    let code = body.split_once(CODE.0).and_then(|(_, rest)| rest.split_once(CODE.1)).map(|(code, _)| code);
    let what = match code.filter(|code| plain(code)) {
        Some(code) => format!("the answer is {status} ({code})"),
        None => format!("the answer is {status}"),
    };
    Reason { what, advice: advice(status) }
}

fn advice(status: &str) -> &'static str {
    match status.get(..3) {
        Some("401" | "403") => "check that the credentials are right and allow reading and writing there",
        Some("404") => "check that the bucket or container exists",
        Some("400") => "check the credentials, the region and the endpoint",
        Some("301" | "302" | "307" | "308") => ELSEWHERE,
        _ => UNWELL,
    }
}
