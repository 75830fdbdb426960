//! The values of conditions: wildcards, if the operator supports them, and variables.

use crate::trust_documents::wildcard::{Piece, Wildcard};

/// The value as a pattern; `None` if it has a variable whose value the token does not determine.
///
/// In version 2012-10-17 `${*}`, `${?}` and `${$}` stand for the characters `*`, `?` and `$` (IAM User Guide, "IAM
/// policy elements: Variables and tags").
pub(super) fn pattern(value: &str, wildcards: bool, variables: bool) -> Option<Wildcard> {
    let mut pieces = Vec::new();
    let mut rest = value;
    while let Some(first) = rest.chars().next() {
        if variables && rest.starts_with("${") {
            let (literal, after) = escaped(rest)?;
            pieces.push(Piece::Exactly(literal));
            rest = after;
            continue;
        }
        pieces.push(match first {
            '*' if wildcards => Piece::Any,
            '?' if wildcards => Piece::One,
            c => Piece::Exactly(c),
        });
        rest = &rest[first.len_utf8()..];
    }
    Some(Wildcard::new(pieces))
}

/// `text` with variables escaped.
pub(super) fn literal(text: &str) -> String {
    text.replace("${", "${$}{")
}

fn escaped(text: &str) -> Option<(char, &str)> {
    let inside = text.strip_prefix("${")?;
    let literal = inside.chars().next().filter(|c| matches!(c, '*' | '?' | '$'))?;
    Some((literal, inside[1..].strip_prefix('}')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escaped_character_is_literal() {
        let matches = |value: &str, text: &str| pattern(value, true, true).unwrap().matches(text);
        assert!(matches("a${*}b*", "a*bc") && !matches("a${*}b", "axb"));
        assert!(matches(&literal("a${aws:username}"), "a${aws:username}"));
        assert_eq!(pattern("${aws:username}", false, true), None);
        assert!(pattern("${aws:username}", false, false).unwrap().matches("${aws:username}"));
    }
}
