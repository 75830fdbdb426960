//! Files given to commands; `-` is standard input.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use serde_json::Value;

use crate::cli::terminal::failure::Failure;

/// Far more than the server accepts.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

pub(in crate::cli) fn json_of(path: &Path) -> Result<Value, Failure> {
    serde_json::from_str(&text_of(path)?).map_err(|error| {
        Failure::usage(format!("could not read {}: it is not JSON: {error}", path.display()))
    })
}

pub(in crate::cli) fn text_of(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        stdin().take(MAX_BYTES).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::usage(format!("could not read {}: {error}", path.display())))?;
    Ok(text)
}
