//! Refusals, in the server's words.

use reqwest::StatusCode;
use serde::Deserialize;

use crate::cli::terminal::output::safe;

/// The members of a problem document (RFC 9457) and of a token endpoint's refusal (RFC 6749 §5.2). Proxies and
/// platforms answer with either, and with less than our server does.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    title: Option<String>,
    detail: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    reason: Option<String>,
}

/// The server's words for a refusal, or the status of an answer without any.
pub(in crate::cli) fn refusal(status: StatusCode, body: &[u8]) -> String {
    match serde_json::from_slice(body).unwrap_or_default() {
        Refusal { error: Some(error), error_description: Some(description), reason, .. } => {
            safe(&format!("{description} ({})", reason.unwrap_or(error)))
        }
        Refusal { title: Some(title), detail: Some(detail), .. } => safe(&format!("{title}: {detail}")),
        _ if status.is_redirection() => {
            format!(
                "the server answered {status}, a redirect, which runmint does not follow; check the server's URL"
            )
        }
        _ => format!("the server answered {status}"),
    }
}
