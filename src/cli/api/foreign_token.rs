//! Tokens of other issuers, as commands receive them.

use std::fs::File;
use std::io::{Read, stdin};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::cli::terminal::failure::Failure;
use crate::trust::token::limits::MAX_TOKEN_BYTES;

/// A little above the limit, so that a longer token is noticed.
const MAX_READ_BYTES: u64 = MAX_TOKEN_BYTES as u64 + 1_024;

/// A token. The claims of an opaque one are not read before it is sent.
pub(in crate::cli) struct GivenToken {
    pub(in crate::cli) text: Zeroizing<String>,
    pub(in crate::cli) opaque: bool,
}

impl GivenToken {
    /// `-` is standard input, `file://PATH` a file, and everything else the token itself.
    pub(in crate::cli) fn read(argument: &str) -> Result<Self, Failure> {
        if let Some(path) = argument.strip_prefix("file://") {
            return Ok(Self { text: of_file(path)?, opaque: true });
        }
        let text = match argument {
            "-" => of_standard_input()?,
            token => not_empty(Zeroizing::new(token.trim().to_owned()))?,
        };
        Ok(Self { text, opaque: false })
    }
}

/// The token that is alone in a file.
pub(in crate::cli) fn of_file(path: &str) -> Result<Zeroizing<String>, Failure> {
    let read = File::open(path).and_then(bounded);
    not_empty(read.map_err(|error| Failure::usage(format!("could not read the token in {path}: {error}")))?)
}

/// The text on standard input, without the line break at its end.
pub(in crate::cli) fn of_standard_input() -> Result<Zeroizing<String>, Failure> {
    let read = bounded(stdin())
        .map_err(|error| Failure::failed(format!("could not read standard input: {error}")))?;
    not_empty(read)
}

/// One part of a JWT, if it is a JSON object.
pub(in crate::cli) fn part(token: &str, index: usize) -> Option<Map<String, Value>> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(index)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn bounded(source: impl Read) -> std::io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    source.take(MAX_READ_BYTES).read_to_string(&mut text)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

fn not_empty(text: Zeroizing<String>) -> Result<Zeroizing<String>, Failure> {
    if text.is_empty() { Err(Failure::usage("the token is empty")) } else { Ok(text) }
}
