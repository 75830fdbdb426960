//! Patterns that policies match claims and names against: literal text with wildcards.
//!
//! `*` stands for any number of characters, `?` for none or one (Pulumi Cloud, "OIDC issuers", "Configure
//! the authorization policies"). There `.` stands for exactly one, so that `acme.io` matches `acmeXio`; that
//! is kept for those who ask for it, and a dot is a dot otherwise. A character is a Unicode scalar value,
//! upper and lower case differ, and a pattern matches the whole text or not at all.

use regex_lite::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub const MAX_PATTERN_BYTES: usize = 512;

/// What a program of the regex engine may weigh for each byte of its pattern, and for none. A program has a
/// bounded number of states for each character, and the engine is in each state at most once for each
/// character of the text: time grows with the one times the other, and never faster.
const PROGRAM_BYTES_PER_PATTERN_BYTE: usize = 256;
const PROGRAM_BYTES_AT_LEAST: usize = 2_048;

/// What a dot means. In JSON `"strict"` or `"compatible"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Syntax {
    /// `.` is a dot.
    #[default]
    Strict,
    /// `.` is exactly one character, whichever, as in Pulumi Cloud.
    Compatible,
}

/// A compiled pattern. Two are equal when they were written the same way.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    syntax: Syntax,
    regex: Regex,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum PatternError {
    #[error("a pattern has at most {MAX_PATTERN_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    #[error("the pattern becomes too large a program")]
    TooLarge,
}

impl Pattern {
    pub fn compile(text: &str, syntax: Syntax) -> Result<Self, PatternError> {
        if text.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong(text.len()));
        }
        let program_bytes = PROGRAM_BYTES_AT_LEAST + text.len() * PROGRAM_BYTES_PER_PATTERN_BYTE;
        let regex = RegexBuilder::new(&regex_of(text, syntax))
            .size_limit(program_bytes)
            .build()
            .map_err(|_| PatternError::TooLarge)?;
        Ok(Self { text: text.to_owned(), syntax, regex })
    }

    /// Whether all of `text` is what the pattern says.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Whether nothing in it is literal. The empty pattern has nothing literal either.
    pub fn is_all_wildcards(&self) -> bool {
        self.text.chars().all(|character| self.is_wildcard(character))
    }

    /// Whether it matches one text only.
    pub fn is_literal(&self) -> bool {
        !self.text.contains(|character| self.is_wildcard(character))
    }

    /// What every text that it matches begins with.
    pub fn literal_prefix(&self) -> &str {
        let end = self.text.find(|character| self.is_wildcard(character)).unwrap_or(self.text.len());
        &self.text[..end]
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn syntax(&self) -> Syntax {
        self.syntax
    }

    fn is_wildcard(&self, character: char) -> bool {
        matches!(character, '*' | '?') || (character == '.' && self.syntax == Syntax::Compatible)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.syntax) == (&other.text, other.syntax)
    }
}

impl Eq for Pattern {}

fn regex_of(text: &str, syntax: Syntax) -> String {
    // Anchored around a group, or the anchors would hold for the first and the last alternative only.
    let mut regex = String::from(r"\A(?s:");
    let mut literal = [0; 4];
    for character in text.chars() {
        match character {
            '*' => regex.push_str(".*"),
            '?' => regex.push_str(".?"),
            '.' if syntax == Syntax::Compatible => regex.push('.'),
            other => regex.push_str(&regex_lite::escape(other.encode_utf8(&mut literal))),
        }
    }
    regex.push_str(r")\z");
    regex
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn strict(text: &str) -> Pattern {
        Pattern::compile(text, Syntax::Strict).unwrap()
    }

    fn compatible(text: &str) -> Pattern {
        Pattern::compile(text, Syntax::Compatible).unwrap()
    }

    /// Says what a pattern means by trying everything.
    pub(in crate::trust) fn naive(pattern: &[char], text: &[char], syntax: Syntax) -> bool {
        let Some((first, rest)) = pattern.split_first() else { return text.is_empty() };
        match first {
            '*' => (0..=text.len()).any(|skipped| naive(rest, &text[skipped..], syntax)),
            '?' => naive(rest, text, syntax) || (!text.is_empty() && naive(rest, &text[1..], syntax)),
            '.' if syntax == Syntax::Compatible => !text.is_empty() && naive(rest, &text[1..], syntax),
            literal => text.first() == Some(literal) && naive(rest, &text[1..], syntax),
        }
    }

    #[test]
    fn a_pattern_is_the_whole_text() {
        let pattern = strict("repo:acme/website:*");
        assert!(pattern.matches("repo:acme/website:"));
        assert!(pattern.matches("repo:acme/website:ref:refs/heads/main"));
        for foreign in
            ["repo:acme/website", "x repo:acme/website:", "repo:acme/website2:x", "REPO:acme/website:x"]
        {
            assert!(!pattern.matches(foreign), "{foreign}");
        }
        // Fulcio CVE-2026-22772 and others: a match somewhere inside is none.
        assert!(!strict("acme").matches("acme\n") && !strict("acme").matches("evil\nacme"));
    }

    #[test]
    fn a_line_break_is_a_character() {
        assert!(strict("a*b").matches("a\n\r\nb") && strict("a?b").matches("a\nb"));
        assert!(compatible("a.b").matches("a\nb") && compatible("a.b").matches("aéb"));
    }

    #[test]
    fn a_dot_is_a_dot_unless_compatibility_is_chosen() {
        assert!(strict("acme.io").matches("acme.io") && !strict("acme.io").matches("acmeXio"));
        assert!(compatible("acme.io").matches("acmeXio") && !compatible("acme.io").matches("acmeio"));
    }

    #[test]
    fn nothing_else_has_a_meaning() {
        for text in [r"a|b", r"(a)", r"[ab]", r"a+", r"\d", r"^a$", r"a{2}", r"a#b", "a\\", "(?i)a", "\u{0}"]
        {
            assert!(strict(text).matches(text), "{text}");
        }
        assert!(!strict("a|b").matches("a") && !strict("a+").matches("aa") && !strict("^a$").matches("a"));
    }

    #[test]
    fn says_what_is_literal() {
        for (pattern, all_wildcards, literal, prefix) in [
            (strict(""), true, true, ""),
            (strict("**?"), true, false, ""),
            (strict("."), false, true, "."),
            (compatible("."), true, false, ""),
            (strict("a.b*c"), false, false, "a.b"),
            (compatible("a.b*c"), false, false, "a"),
        ] {
            assert_eq!(pattern.is_all_wildcards(), all_wildcards, "{pattern:?}");
            assert_eq!(pattern.is_literal(), literal, "{pattern:?}");
            assert_eq!(pattern.literal_prefix(), prefix, "{pattern:?}");
        }
    }

    #[test]
    fn the_length_is_bounded() {
        assert!(Pattern::compile(&"*".repeat(512), Syntax::Strict).is_ok());
        assert_eq!(Pattern::compile(&"é".repeat(257), Syntax::Strict), Err(PatternError::TooLong(514)));
    }

    /// `compile` refuses a program that is not linear in its pattern. These come out as the largest, and
    /// each would keep a backtracking engine busy for longer than the sun shines.
    #[test]
    fn the_worst_patterns_are_linear_programs() {
        let text = "a".repeat(16 * 1024);
        for unit in ["*a", "?a", "*?", "?", "*", ".", "*.", "a?*", "é*", "\u{10ffff}?"] {
            let pattern = unit.repeat(MAX_PATTERN_BYTES / unit.len());
            for syntax in [Syntax::Strict, Syntax::Compatible] {
                Pattern::compile(&pattern, syntax).unwrap();
            }
        }
        assert!(strict(&"*a".repeat(256)).matches(&text));
        assert!(!strict(&format!("{}b", "*a".repeat(255))).matches(&text));
        assert!(!strict(&"?a".repeat(256)).matches(&text));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2_048), ..Default::default() })]

        #[test]
        fn agrees_with_trying_everything(
            pattern in "[ab.*?é\n]{0,8}", text in "[abX.*?é\n]{0,10}", compatible in any::<bool>(),
        ) {
            let syntax = if compatible { Syntax::Compatible } else { Syntax::Strict };
            let expected = naive(
                &pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>(), syntax,
            );
            prop_assert_eq!(Pattern::compile(&pattern, syntax).unwrap().matches(&text), expected);
        }

        #[test]
        fn any_text_without_wildcards_matches_itself_alone(text in any::<String>(), other in any::<String>()) {
            let text = text.replace(['*', '?'], "");
            prop_assume!(text.len() <= MAX_PATTERN_BYTES);
            let pattern = strict(&text);
            prop_assert!(pattern.matches(&text) && pattern.is_literal());
            prop_assert_eq!(pattern.matches(&other), text == other);
        }
    }
}
