//! Patterns that policies match claims and names against: literal text with wildcards.
//!
//! `*` matches any number of characters, `?` at most one (Pulumi Cloud, "OIDC issuers", "Configure the authorization
//! policies"). In Pulumi Cloud `.` matches exactly one, so that `acme.io` matches `acmeXio`; here it does so only in
//! compatible syntax, and is a dot otherwise. A character is a Unicode scalar value, patterns are case-sensitive, and
//! a pattern matches the whole text or not at all.

mod program;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::program::{MAX_OPTIONAL_RUN, MAX_PATTERN_BYTES};
use self::program::{Program, Token};

/// The meaning of a dot. In JSON `"strict"` or `"compatible"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Syntax {
    /// `.` is a dot.
    #[default]
    Strict,
    /// `.` is exactly one character of any kind, as in Pulumi Cloud.
    Compatible,
}

/// A compiled pattern. Two are equal when they were written the same way.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    syntax: Syntax,
    program: Program,
}

/// Why a text is not a pattern.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PatternError {
    #[error("a pattern may have at most {MAX_PATTERN_BYTES} bytes; this one has {0}")]
    TooLong(usize),
    #[error("a pattern may have at most {MAX_OPTIONAL_RUN} `?` in a row")]
    TooManyOptional,
}

impl Pattern {
    /// Fails if `text` is longer than [`MAX_PATTERN_BYTES`], or has more than [`MAX_OPTIONAL_RUN`] `?` in a row.
    pub fn compile(text: &str, syntax: Syntax) -> Result<Self, PatternError> {
        if text.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong(text.len()));
        }
        let tokens = text.chars().map(|character| match character {
            '*' => Token::Any,
            '?' => Token::NoneOrOne,
            '.' if syntax == Syntax::Compatible => Token::ExactlyOne,
            literal => Token::Literal(literal),
        });
        let program = Program::new(tokens).ok_or(PatternError::TooManyOptional)?;
        Ok(Self { text: text.to_owned(), syntax, program })
    }

    /// Whether the pattern matches all of `text`. The time is linear in the length of `text`.
    pub fn matches(&self, text: &str) -> bool {
        self.program.matches(text)
    }

    /// Whether it has no literal character, as the empty pattern.
    pub fn is_all_wildcards(&self) -> bool {
        self.text.chars().all(|character| self.is_wildcard(character))
    }

    /// Whether it has no wildcard and matches one text only.
    pub fn is_literal(&self) -> bool {
        !self.text.contains(|character| self.is_wildcard(character))
    }

    /// The beginning of every text that it matches.
    pub fn literal_prefix(&self) -> &str {
        let end = self.text.find(|character| self.is_wildcard(character)).unwrap_or(self.text.len());
        &self.text[..end]
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The syntax that it was compiled in.
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

    /// Matches by trying every possibility.
    pub(crate) fn naive(pattern: &[char], text: &[char], syntax: Syntax) -> bool {
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
        // Fulcio CVE-2026-22772: a match inside the text must not count.
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

    #[test]
    fn so_many_optional_characters_follow_each_other_and_no_more() {
        let optional = |count: usize| "?".repeat(count);
        assert_eq!(Pattern::compile(&optional(17), Syntax::Strict), Err(PatternError::TooManyOptional));
        let sixteen = strict(&format!("a{}b", optional(16)));
        assert!(sixteen.matches("ab") && sixteen.matches("a1234567890123456b"));
        assert!(!sixteen.matches("a12345678901234567b"));
        // Beside `*` they say nothing.
        assert!(strict(&format!("{}*{}", optional(200), optional(200))).matches(""));
    }

    /// Each would keep an engine that tries one thing after another busy for longer than the sun shines.
    #[test]
    fn the_worst_patterns_take_a_step_for_each_character() {
        let text = "a".repeat(16 * 1024);
        for (unit, last, matches) in [
            ("*a", "", true),
            ("*a", "b", false),
            ("?a", "", false),
            ("a?*", "", true),
            ("*??a", "b", false),
            ("*????????????????a", "b", false),
        ] {
            let pattern = unit.repeat((MAX_PATTERN_BYTES - 1) / unit.len()) + last;
            assert_eq!(strict(&pattern).matches(&text), matches, "{unit}");
        }
    }

    /// Positions go from word to word.
    #[test]
    fn long_patterns_match_as_short_ones_do() {
        for length in [62, 63, 64, 65, 127, 128, 129, 511] {
            let literal = "x".repeat(length);
            assert!(strict(&literal).matches(&literal), "{length}");
            assert!(!strict(&literal).matches(&literal[1..]), "{length}");
            let optional = format!("{}?", &literal[1..]);
            assert!(
                strict(&optional).matches(&literal) && strict(&optional).matches(&literal[1..]),
                "{length}"
            );
            let star = format!("{}*", &literal[1..]);
            assert!(
                strict(&star).matches(&literal.repeat(3)) && !strict(&star).matches(&literal[2..]),
                "{length}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2_048), ..Default::default() })]

        #[test]
        fn agrees_with_trying_everything(
            pattern in "[ab.*?é\n]{0,8}", text in "[abX.*?é\n]{0,10}", compatible in any::<bool>(), before in 0_usize..130,
        ) {
            // Anywhere in a word, and across two of them.
            let (pattern, text) = ("z".repeat(before) + &pattern, "z".repeat(before) + &text);
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
