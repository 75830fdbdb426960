//! Printing results.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use crate::cli::terminal::environment::variable;
use crate::cli::terminal::failure::Failure;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// Text for people
    #[default]
    Text,
    /// One JSON document, for scripts
    Json,
}

/// Prints text as it is. A closed pipe (`| head`) is not a failure.
pub(in crate::cli) fn print_text(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("could not print the result: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints `value` as JSON on one line, or what `text` makes of it.
pub(in crate::cli) fn print(
    format: Format,
    value: &Value,
    text: impl FnOnce(&Value) -> String,
) -> Result<(), Failure> {
    match format {
        // Escaping keeps it the same JSON.
        Format::Json => print_text(&format!("{}\n", safe(&value.to_string()))),
        Format::Text => print_text(&text(value)),
    }
}

/// Prints a remark for people on standard error, apart from the result.
pub(in crate::cli) fn remark(format: Format, text: &str) {
    if format == Format::Text {
        // A closed standard error is not a failure.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// `text` with characters escaped, as in JSON, that could move the cursor, hide words or reverse them.
pub(in crate::cli) fn safe(text: &str) -> String {
    let obeyed = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let escaped = |c: char| if obeyed(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// `value` over several lines, for people.
pub(in crate::cli) fn pretty(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.lines().map(safe).collect::<Vec<_>>().join("\n")
}

#[derive(Clone, Copy)]
pub(in crate::cli) enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
}

/// `text` in a colour, if standard output is a terminal and `NO_COLOR` is not set (no-color.org).
pub(in crate::cli) fn paint(colour: Colour, text: &str) -> String {
    if io::stdout().is_terminal() && variable("NO_COLOR").is_none() {
        format!("\u{1b}[{}m{text}\u{1b}[0m", colour as u8)
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(safe("a\u{1b}[31m\u{9b}b\n\u{202e}é"), r"a\u001b[31m\u009bb\u000a\u202eé");
        let value = json!({"name": "a\u{9b}\n\u{202e}\u{7f}é"});
        assert_eq!(pretty(&value), "{\n  \"name\": \"a\\u009b\\n\\u202e\\u007fé\"\n}");
        assert_eq!(serde_json::from_str::<Value>(&safe(&value.to_string())).unwrap(), value);
    }
}
