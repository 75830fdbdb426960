//! What stands in a condition's value: wildcards where the operator has them, and variables.

use crate::trust_documents::wildcard::{Piece, Wildcard};

/// The value as a pattern; `None` where it has a variable whose value a token does not tell.
///
/// In version 2012-10-17 `${*}`, `${?}` and `${$}` are these characters themselves (IAM User Guide, "IAM policy
/// elements: Variables and tags").
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

/// `text` where no part of it is a variable.
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
    fn what_is_escaped_is_itself() {
        let matches = |value: &str, text: &str| pattern(value, true, true).unwrap().matches(text);
        assert!(matches("a${*}b*", "a*bc") && !matches("a${*}b", "axb"));
        assert!(matches(&literal("a${aws:username}"), "a${aws:username}"));
        assert_eq!(pattern("${aws:username}", false, true), None);
        assert!(pattern("${aws:username}", false, false).unwrap().matches("${aws:username}"));
    }
}
