//! The subject, `sub` (RFC 7519 §4.1.2): a template whose rendering is injective and can be parsed back.
//!
//! Cloud policies match subjects as text, often with wildcards, so no attribute's value may look like another
//! component or a wildcard: `:`, `%`, `*`, `?`, control characters and non-ASCII are percent-encoded in
//! values, and `/` too if the template itself contains one.

use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use thiserror::Error;

/// OpenID Connect Core 1.0 §2: "MUST NOT exceed 255 ASCII characters in length".
pub const MAX_SUBJECT_BYTES: usize = 255;

const MAX_PREFIX_BYTES: usize = 63;

const VALUE: &AsciiSet = &CONTROLS.add(b':').add(b'%').add(b'*').add(b'?');
const VALUE_BESIDE_SLASHES: &AsciiSet = &VALUE.add(b'/');

/// Literal text with `{name}` where a value goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectTemplate {
    parts: Vec<Part>,
    encoded: &'static AsciiSet,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Value(String),
}

/// The text is not a valid template. Each message continues a sentence that begins with the template's place.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TemplateError {
    #[error("has an unmatched brace")]
    Brace,
    #[error("has `{{{0}}}`, which is not a valid name")]
    Name(String),
    #[error("has `{{{0}}}` twice")]
    Twice(String),
    #[error(
        "needs `:` or `/` right after `{{{0}}}`: without it, two different runs could get the same subject"
    )]
    Ambiguous(String),
    #[error("has the character `{0}`, which is not printable ASCII or has a meaning in cloud policies")]
    Character(char),
}

/// The text is not a valid prefix of subjects.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("must be 1 to {MAX_PREFIX_BYTES} letters, digits, `-`, `.` and `_`")]
pub struct PrefixError;

/// Checks the first component of all subjects of an issuer: it has no characters with a meaning in cloud
/// policies.
pub fn check_prefix(prefix: &str) -> Result<(), PrefixError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let fits = (1..=MAX_PREFIX_BYTES).contains(&prefix.len()) && prefix.bytes().all(plain);
    if fits { Ok(()) } else { Err(PrefixError) }
}

impl SubjectTemplate {
    /// Parses text with `{name}` where a value goes. Refuses a template that could render two runs alike.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (part, after) = parse_part(rest)?;
            rest = after;
            if let (Some(Part::Value(name)), following) = (parts.last(), &part) {
                let separated = matches!(following, Part::Literal(text) if text.starts_with([':', '/']));
                if !separated {
                    return Err(TemplateError::Ambiguous(name.clone()));
                }
            }
            if parts.contains(&part) && matches!(part, Part::Value(_)) {
                let Part::Value(name) = part else { unreachable!("just matched") };
                return Err(TemplateError::Twice(name));
            }
            parts.push(part);
        }
        let slashes = parts.iter().any(|part| matches!(part, Part::Literal(text) if text.contains('/')));
        Ok(Self { parts, encoded: if slashes { VALUE_BESIDE_SLASHES } else { VALUE } })
    }

    /// The names between braces, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// The subject with each name's value in its place; `None` if a value is missing.
    pub fn render<'v>(&self, value_of: impl Fn(&str) -> Option<&'v str>) -> Option<String> {
        let mut subject = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => subject.push_str(text),
                Part::Value(name) => subject.extend(utf8_percent_encode(value_of(name)?, self.encoded)),
            }
        }
        Some(subject)
    }

    /// The subject in pieces, each as in every subject with these values; `None` marks a value that is left
    /// open.
    pub fn render_open<'v>(&self, value_of: impl Fn(&str) -> Option<&'v str>) -> Vec<Option<String>> {
        let piece = |part: &Part| match part {
            Part::Literal(text) => Some(text.clone()),
            Part::Value(name) => {
                value_of(name).map(|value| utf8_percent_encode(value, self.encoded).to_string())
            }
        };
        self.parts.iter().map(piece).collect()
    }

    /// The values from which `subject` was rendered; `None` if this template never renders it.
    pub fn parse_subject(&self, subject: &str) -> Option<BTreeMap<String, String>> {
        let mut values = BTreeMap::new();
        let mut rest = subject;
        for part in &self.parts {
            match part {
                Part::Literal(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Value(name) => {
                    // Encoded values contain no separator, so the next one ends the value.
                    let separators: &[char] =
                        if self.encoded == VALUE_BESIDE_SLASHES { &[':', '/'] } else { &[':'] };
                    let end = rest.find(separators).unwrap_or(rest.len());
                    let (encoded, after) = rest.split_at(end);
                    let value = percent_decode_str(encoded).decode_utf8().ok()?.into_owned();
                    let canonical = utf8_percent_encode(&value, self.encoded).to_string();
                    if canonical != encoded {
                        return None;
                    }
                    values.insert(name.clone(), value);
                    rest = after;
                }
            }
        }
        rest.is_empty().then_some(values)
    }

    /// The text before the first value.
    pub fn leading_literal(&self) -> &str {
        match self.parts.first() {
            Some(Part::Literal(text)) => text,
            _ => "",
        }
    }

    /// Whether it begins with the parts of `other` up to and including the value `name`. Their subjects then
    /// begin alike only if those values are equal.
    pub fn begins_like(&self, other: &Self, name: &str) -> bool {
        let head = other.through(name);
        !head.is_empty() && self.parts.starts_with(head)
    }

    /// The template's text up to and including the value `name`.
    pub fn text_through(&self, name: &str) -> String {
        self.through(name).iter().map(Part::to_string).collect()
    }

    fn through(&self, name: &str) -> &[Part] {
        let is_it = |part: &Part| matches!(part, Part::Value(one) if one == name);
        let end = self.parts.iter().position(is_it).map_or(0, |index| index + 1);
        &self.parts[..end]
    }

    /// The text between the first two values.
    pub fn second_literal(&self) -> &str {
        match self.parts.get(1) {
            Some(Part::Literal(text)) => text,
            _ => "",
        }
    }
}

/// The template as written.
impl fmt::Display for SubjectTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| part.fmt(f))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(text),
            Self::Value(name) => write!(f, "{{{name}}}"),
        }
    }
}

/// A value as encoded in subjects without slashes.
pub fn encoded(value: &str) -> String {
    utf8_percent_encode(value, VALUE).to_string()
}

fn parse_part(text: &str) -> Result<(Part, &str), TemplateError> {
    if let Some(inside) = text.strip_prefix('{') {
        let (name, after) = inside.split_once('}').ok_or(TemplateError::Brace)?;
        if !is_attribute_name(name) {
            return Err(TemplateError::Name(name.to_owned()));
        }
        return Ok((Part::Value(name.to_owned()), after));
    }
    let end = text.find('{').unwrap_or(text.len());
    let (literal, after) = text.split_at(end);
    for character in literal.chars() {
        match character {
            '}' => return Err(TemplateError::Brace),
            '*' | '?' | '%' => return Err(TemplateError::Character(character)),
            '!'..='~' => {}
            other => return Err(TemplateError::Character(other)),
        }
    }
    Ok((Part::Literal(literal.to_owned()), after))
}

/// Whether `name` is `[a-z][a-z0-9_]{0,62}`.
pub fn is_attribute_name(name: &str) -> bool {
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=63).contains(&name.len()) && name.as_bytes()[0].is_ascii_lowercase() && name.bytes().all(rest)
}

#[cfg(test)]
mod tests;
