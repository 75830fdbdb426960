//! The path of a rule into a token's claims: `"kubernetes.io".pod.name`.
//!
//! Dots separate members. A member with a dot in its own name is written in double quotes (Pulumi Cloud, "OIDC
//! issuers"), where `\"` is a quote and `\\` a backslash.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use thiserror::Error;

/// Bytes of a path.
pub const MAX_CLAIM_PATH_BYTES: usize = 256;

/// A path as written, and its members: at least one. Two paths are equal when their members are, however they are
/// quoted.
#[derive(Clone, Debug)]
pub struct ClaimPath {
    text: String,
    members: Vec<String>,
}

/// Why a text is not a path, and at which byte, counted from 0.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ClaimPathError {
    #[error("a claim path may have at most {MAX_CLAIM_PATH_BYTES} bytes; this one has {0}")]
    TooLong(usize),
    #[error("a member's name is missing at byte {0}")]
    Empty(usize),
    #[error("the quote at byte {0} is not closed")]
    Unclosed(usize),
    #[error("the backslash at byte {0} is followed by neither a quote nor a backslash")]
    Escape(usize),
    #[error("byte {0} is a quote inside a name: quote the whole name, and put a backslash before this quote")]
    Quote(usize),
    #[error("the quoted name must be followed by a dot at byte {0}")]
    AfterQuote(usize),
}

impl ClaimPath {
    /// Fails with the first byte that does not fit the grammar above.
    pub fn parse(text: &str) -> Result<Self, ClaimPathError> {
        if text.len() > MAX_CLAIM_PATH_BYTES {
            return Err(ClaimPathError::TooLong(text.len()));
        }
        let mut members = Vec::new();
        let mut at = 0;
        loop {
            let (member, end) = parse_member(text, at)?;
            if member.is_empty() {
                return Err(ClaimPathError::Empty(at));
            }
            members.push(member);
            match text.as_bytes().get(end) {
                None => return Ok(Self { text: text.to_owned(), members }),
                Some(b'.') => at = end + 1,
                Some(_) => return Err(ClaimPathError::AfterQuote(end)),
            }
        }
    }

    /// The values at this path, in order. Every element of an array counts, on the way and at the end. Numbers and
    /// booleans are written as in JSON; `null` and objects are not values.
    pub fn values<'c>(&self, claims: &'c Map<String, Value>) -> Vec<Cow<'c, str>> {
        let mut found = Vec::new();
        if let Some((first, rest)) = self.members.split_first()
            && let Some(value) = claims.get(first)
        {
            collect(value, rest, &mut found);
        }
        found
    }

    /// Whether this is the claim `name` itself, and nothing inside it.
    pub fn is_claim(&self, name: &str) -> bool {
        matches!(self.members.as_slice(), [only] if only == name)
    }

    /// The names of its members, without quotes.
    pub fn members(&self) -> &[String] {
        &self.members
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The member that begins at `start`, and where it ends.
fn parse_member(text: &str, start: usize) -> Result<(String, usize), ClaimPathError> {
    let rest = &text[start..];
    if rest.starts_with('"') {
        return parse_quoted(text, start);
    }
    let end = rest.find('.').unwrap_or(rest.len());
    match rest[..end].find('"') {
        Some(quote) => Err(ClaimPathError::Quote(start + quote)),
        None => Ok((rest[..end].to_owned(), start + end)),
    }
}

fn parse_quoted(text: &str, start: usize) -> Result<(String, usize), ClaimPathError> {
    let mut member = String::new();
    let mut characters = text[start + 1..].char_indices();
    while let Some((offset, character)) = characters.next() {
        let at = start + 1 + offset;
        match character {
            '"' => return Ok((member, at + 1)),
            '\\' => match characters.next() {
                Some((_, escaped @ ('"' | '\\'))) => member.push(escaped),
                _ => return Err(ClaimPathError::Escape(at)),
            },
            other => member.push(other),
        }
    }
    Err(ClaimPathError::Unclosed(start))
}

fn collect<'c>(value: &'c Value, path: &[String], found: &mut Vec<Cow<'c, str>>) {
    match (value, path.split_first()) {
        (Value::Array(elements), _) => elements.iter().for_each(|element| collect(element, path, found)),
        (Value::Object(members), Some((first, rest))) => {
            if let Some(member) = members.get(first) {
                collect(member, rest, found);
            }
        }
        (Value::String(text), None) => found.push(Cow::Borrowed(text)),
        (Value::Number(number), None) => found.push(Cow::Owned(number.to_string())),
        (Value::Bool(truth), None) => found.push(Cow::Borrowed(if *truth { "true" } else { "false" })),
        _ => {}
    }
}

impl PartialEq for ClaimPath {
    fn eq(&self, other: &Self) -> bool {
        self.members == other.members
    }
}

impl Eq for ClaimPath {}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for ClaimPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values(path: &str, claims: Value) -> Vec<String> {
        let Value::Object(claims) = claims else { panic!("claims are an object") };
        ClaimPath::parse(path).unwrap().values(&claims).into_iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn leads_to_a_member() {
        let pod = json!({"kubernetes.io": {"pod": {"name": "runner-1"}}, "kubernetes": {"io": "no"}});
        assert_eq!(values(r#""kubernetes.io".pod.name"#, pod.clone()), ["runner-1"]);
        assert_eq!(values(r#""kubernetes.io"."pod"."name""#, pod.clone()), ["runner-1"]);
        assert_eq!(values("kubernetes.io", pod.clone()), ["no"]);
        assert!(values("kubernetes.io.pod", pod.clone()).is_empty());
        assert!(values(r#""kubernetes.io".pod"#, pod).is_empty(), "an object is not a value");
        assert_eq!(values(r#""a\"b\\".c"#, json!({"a\"b\\": {"c": "x"}})), ["x"]);
    }

    #[test]
    fn every_element_of_an_array_counts() {
        assert_eq!(values("aud", json!({"aud": ["a", "b", ["c"]]})), ["a", "b", "c"]);
        assert_eq!(
            values("g.name", json!({"g": [{"name": "a"}, {"x": 1}, "n", {"name": ["b"]}]})),
            ["a", "b"]
        );
        assert!(values("g.0", json!({"g": ["a"]})).is_empty(), "an index is not a member");
    }

    #[test]
    fn numbers_and_booleans_are_as_in_json() {
        assert_eq!(
            values("a", json!({"a": [1, -2, u64::MAX, 1.5, true, false, null, {}, []]})),
            ["1", "-2", "18446744073709551615", "1.5", "true", "false"]
        );
        assert!(values("a", json!({"a": null})).is_empty());
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        use ClaimPathError::*;
        for (text, why) in [
            ("", Empty(0)),
            (".", Empty(0)),
            ("a.", Empty(2)),
            ("a..b", Empty(2)),
            (r#""""#, Empty(0)),
            (r#"a."b"#, Unclosed(2)),
            (r#""a\b""#, Escape(2)),
            (r#""a\"#, Escape(2)),
            (r#"a"b"#, Quote(1)),
            (r#""a"b"#, AfterQuote(3)),
        ] {
            assert_eq!(ClaimPath::parse(text), Err(why), "{text}");
        }
        assert_eq!(ClaimPath::parse(&"a".repeat(257)), Err(TooLong(257)));
    }

    #[test]
    fn is_the_same_path_in_quotes() {
        assert_eq!(ClaimPath::parse("sub"), ClaimPath::parse("\"sub\""));
        assert!(ClaimPath::parse("\"sub\"").unwrap().is_claim("sub"));
        assert!(!ClaimPath::parse("act.sub").unwrap().is_claim("sub"));
    }

    proptest! {
        #[test]
        fn any_member_can_be_quoted(members in proptest::collection::vec("[a.\"\\\\é /]{1,6}", 1..5)) {
            let quoted: Vec<_> = members
                .iter()
                .map(|member| format!("\"{}\"", member.replace('\\', "\\\\").replace('"', "\\\"")))
                .collect();
            let path = ClaimPath::parse(&quoted.join(".")).unwrap();
            prop_assert_eq!(path.members(), &members[..]);
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = ClaimPath::parse(&text);
        }
    }
}
