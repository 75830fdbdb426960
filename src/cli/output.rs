//! Printing results.

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::Value;

use super::failure::Failure;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON document, for scripts
    Json,
}

/// Prints text as it is. A reader that has gone away (`| head`) is no failure.
pub(super) fn print_text(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("the result cannot be printed: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints `value` as JSON on one line, or what `text` makes of it.
pub(super) fn print(
    format: Format,
    value: &Value,
    text: impl FnOnce(&Value) -> String,
) -> Result<(), Failure> {
    match format {
        Format::Json => print_text(&format!("{value}\n")),
        Format::Text => print_text(&text(value)),
    }
}
