//! The subject, `sub`: a template whose rendering is injective and parses back.
//!
//! Cloud policies match subjects as text, often with wildcards, so no attribute's value may look
//! like another component or like a wildcard: `:`, `%`, `*`, `?`, controls and non-ASCII are
//! percent-encoded in values, and `/` too where the template itself uses one.

use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use thiserror::Error;

/// OpenID Connect Core 1.0 §2: "MUST NOT exceed 255 ASCII characters in length".
pub const MAX_SUBJECT_BYTES: usize = 255;

const MAX_PREFIX_BYTES: usize = 63;

const VALUE: &AsciiSet = &CONTROLS.add(b':').add(b'%').add(b'*').add(b'?');
const VALUE_BESIDE_SLASHES: &AsciiSet = &VALUE.add(b'/');

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

#[derive(Debug, Error, PartialEq, Eq)]
pub enum TemplateError {
    #[error("has an unmatched brace")]
    Brace,
    #[error("has `{{{0}}}`, which is no name")]
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

#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("is 1 to {MAX_PREFIX_BYTES} letters, digits, `-`, `.` and `_`")]
pub struct PrefixError;

/// What all subjects of an issuer begin with: one component, of characters that no policy gives a meaning.
pub fn check_prefix(prefix: &str) -> Result<(), PrefixError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let fits = (1..=MAX_PREFIX_BYTES).contains(&prefix.len()) && prefix.bytes().all(plain);
    if fits { Ok(()) } else { Err(PrefixError) }
}

impl SubjectTemplate {
    /// Parses text with `{name}` where a value goes.
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

    /// The subject with each name's value in its place; `None` when a value is missing.
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

    /// The subject in pieces, each as it stands in every subject that has these values; `None` stands for a value
    /// that is left open.
    pub fn render_open<'v>(&self, value_of: impl Fn(&str) -> Option<&'v str>) -> Vec<Option<String>> {
        let piece = |part: &Part| match part {
            Part::Literal(text) => Some(text.clone()),
            Part::Value(name) => {
                value_of(name).map(|value| utf8_percent_encode(value, self.encoded).to_string())
            }
        };
        self.parts.iter().map(piece).collect()
    }

    /// The values that `subject` was rendered from; `None` when this template never renders it.
    pub fn parse_subject(&self, subject: &str) -> Option<BTreeMap<String, String>> {
        let mut values = BTreeMap::new();
        let mut rest = subject;
        for part in &self.parts {
            match part {
                Part::Literal(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Value(name) => {
                    // Values hold no separator, so the next one ends the value.
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

    /// Whether it begins with the parts of `other` up to and with the value `name`. What they render then begins
    /// alike only where those values are alike.
    pub fn begins_like(&self, other: &Self, name: &str) -> bool {
        let head = other.through(name);
        !head.is_empty() && self.parts.starts_with(head)
    }

    /// The template's text up to and with the value `name`.
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

/// As it was written.
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

/// A value as subjects without slashes have it.
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

/// `[a-z][a-z0-9_]{0,62}`.
pub fn is_attribute_name(name: &str) -> bool {
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=63).contains(&name.len()) && name.as_bytes()[0].is_ascii_lowercase() && name.bytes().all(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEPLOY: &str =
        "{prefix}:deploy:org:{org}:project:{project}:stack:{stack}:operation:{operation}:scope:{scope}";
    const ENVIRONMENT: &str = "{prefix}:environments:org:{org}:env:{project}/{environment}";

    fn render(template: &str, values: &BTreeMap<String, String>) -> String {
        SubjectTemplate::parse(template).unwrap().render(|name| values.get(name).map(String::as_str)).unwrap()
    }

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn no_value_forges_a_component_or_a_wildcard() {
        let forged = values(&[
            ("prefix", "p"),
            ("org", "o"),
            ("project", "x:stack:prod"),
            ("stack", "*"),
            ("operation", "u?%2A"),
            ("scope", "é\u{0}\u{7f}"),
        ]);
        assert_eq!(
            render(DEPLOY, &forged),
            "p:deploy:org:o:project:x%3Astack%3Aprod:stack:%2A:operation:u%3F%252A:scope:%C3%A9%00%7F"
        );
        let slashes = values(&[("prefix", "p"), ("org", "o"), ("project", "a/b"), ("environment", "c")]);
        assert_eq!(render(ENVIRONMENT, &slashes), "p:environments:org:o:env:a%2Fb/c");
    }

    #[test]
    fn a_slash_stays_where_the_template_has_none() {
        let with_slash = values(&[("a", "x/y")]);
        assert_eq!(render("s:{a}", &with_slash), "s:x/y");
    }

    #[test]
    fn refuses_templates_that_are_ambiguous_or_broken() {
        use TemplateError::*;
        for (text, why) in [
            ("{a}{b}", Ambiguous("a".into())),
            ("{a}-{b}", Ambiguous("a".into())),
            ("{a}x", Ambiguous("a".into())),
            ("{a}:{a}", Twice("a".into())),
            ("{a", Brace),
            ("a}", Brace),
            ("{}", Name(String::new())),
            ("{A}", Name("A".into())),
            ("x*:{a}", Character('*')),
            ("x é", Character(' ')),
        ] {
            assert_eq!(SubjectTemplate::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn parses_back_only_the_canonical_form() {
        let template = SubjectTemplate::parse("p:{a}:q:{b}").unwrap();
        assert!(template.parse_subject("p:x:q:y").is_some());
        for foreign in ["p:x:q:y:z", "p:x:y", "p:%78:q:y", "p:%3a:q:y", "p:%ff:q:y", "p:x*:q:y", "P:x:q:y"] {
            assert_eq!(template.parse_subject(foreign), None, "{foreign}");
        }
    }

    /// Mostly short texts over the characters that could confuse, so that collisions would show.
    fn tricky() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ab:/%*?2AF3]{1,6}",
            "(:|%3A|/|%2F|stack|org|\\*|\u{0}|é|e\u{301}){1,4}",
            any::<String>().prop_filter("not empty", |text| !text.is_empty()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn rendering_parses_back(project in tricky(), stack in tricky(), operation in tricky(), scope in tricky()) {
            let given = values(&[
                ("prefix", "p"), ("org", "o"), ("project", &project),
                ("stack", &stack), ("operation", &operation), ("scope", &scope),
            ]);
            let subject = render(DEPLOY, &given);
            prop_assert!(subject.is_ascii() && !subject.contains(['*', '?']));
            let template = SubjectTemplate::parse(DEPLOY).unwrap();
            prop_assert_eq!(template.parse_subject(&subject), Some(given));
        }

        #[test]
        fn different_values_render_differently(
            a in (tricky(), tricky()), b in (tricky(), tricky()), template in prop_oneof![Just("{x}:{y}"), Just("{x}/{y}"), Just("{x}:b:{y}")],
        ) {
            prop_assume!(a != b);
            let one = render(template, &values(&[("x", &a.0), ("y", &a.1)]));
            let other = render(template, &values(&[("x", &b.0), ("y", &b.1)]));
            prop_assert_ne!(one, other);
        }
    }
}
