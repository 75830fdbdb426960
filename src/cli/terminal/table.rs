//! Text in columns. Cells hold text from elsewhere, which is made safe to show.

use serde::Serialize;
use serde_json::Value;

use crate::cli::terminal::output::safe;

const GAP: &str = "  ";
/// One long name must not push the other columns off the screen.
const MAX_CELL_CHARS: usize = 60;

/// Rows under a heading, aligned; the last column is not cut.
pub(in crate::cli) fn table(heading: &[&str], rows: Vec<Vec<String>>) -> String {
    let heading = heading.iter().map(|&name| name.to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    columns(&rows)
}

/// A name and a value on each line.
pub(in crate::cli) fn fields(fields: &[(&str, String)]) -> String {
    let rows: Vec<Vec<String>> =
        fields.iter().map(|(name, value)| vec![(*name).to_owned(), value.clone()]).collect();
    columns(&rows)
}

/// A member of an answer as it is on the wire: an id, a text, a word, a number; `-` for `None`. Times have words of
/// their own ([`super::span`]).
pub(in crate::cli) fn cell(value: &(impl Serialize + ?Sized)) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => text,
        Ok(Value::Null) | Err(_) => "-".to_owned(),
        Ok(other) => other.to_string(),
    }
}

/// `lines`, indented by two spaces.
pub(in crate::cli) fn indented(lines: &str) -> String {
    lines.lines().flat_map(|line| ["  ", line, "\n"]).collect()
}

fn columns(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|text| safe(text)).collect()).collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let cut = |column: usize, text: String| match text.char_indices().nth(MAX_CELL_CHARS) {
        Some((end, _)) if column + 1 < count => format!("{}…", &text[..end]),
        _ => text,
    };
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| row.into_iter().enumerate().map(|(column, text)| cut(column, text)).collect())
        .collect();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|text| text.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}"));
        let joined = padded.collect::<Vec<_>>().join(GAP);
        format!("{}\n", joined.trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows =
            vec![vec!["1".into(), "é".into(), "x y".into()], vec!["10".into(), "bcd".into(), String::new()]];
        assert_eq!(table(&["ID", "B", "C"], rows), "ID  B    C\n1   é    x y\n10  bcd\n");
    }

    #[test]
    fn a_cell_stays_on_its_line() {
        assert_eq!(fields(&[("name", "a\nb\u{1b}".into())]), "name  a\\u000ab\\u001b\n");
    }
}
