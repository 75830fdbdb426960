//! Regular expressions of RE2 and Go, the engines behind `matches` at Google and in Kubernetes.
//!
//! Evaluates only patterns to which RE2 and the engine at hand give the same meaning: `\w`, `\d`, `\s` and `\b` are
//! ASCII in both. Patterns that they read differently have no result, which does not count as "no" (RE2, "Syntax";
//! Go, package `regexp/syntax`).

use std::iter::Peekable;
use std::str::Chars;

use regex_lite::Regex;

/// Go's limit on repetitions.
const MOST_REPEATED: u32 = 1_000;
/// Longer patterns are not meant to identify runs.
const MAX_PATTERN_BYTES: usize = 4_096;

/// Escapes that both engines read alike.
const NAMED: &str = "dDsSwWafnrtv";
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// Whether the pattern is found in the text; `None` if the two engines would read it differently.
pub(super) fn matches(pattern: &str, text: &str) -> Option<bool> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return None;
    }
    let mut scan = Scan { rest: pattern.chars().peekable(), folds_case: false, blanks: false };
    scan.whole()?;
    // Go folds the case of every script, and has no vertical tab in `\s`.
    if (scan.folds_case && !(pattern.is_ascii() && text.is_ascii()))
        || (scan.blanks && text.contains('\u{b}'))
    {
        return None;
    }
    Some(Regex::new(pattern).ok()?.is_match(text))
}

/// Scans a pattern; `None` means that the engines read it differently.
struct Scan<'p> {
    rest: Peekable<Chars<'p>>,
    folds_case: bool,
    blanks: bool,
}

impl Scan<'_> {
    fn whole(&mut self) -> Option<()> {
        let mut just_repeated = false;
        while let Some(c) = self.rest.next() {
            let repeats = match c {
                '*' | '+' | '?' => true,
                '{' => {
                    self.counts()?;
                    true
                }
                '\\' => {
                    self.escape("bBAz")?;
                    false
                }
                '[' => {
                    self.class()?;
                    false
                }
                '(' if self.rest.next_if_eq(&'?').is_some() => {
                    self.group()?;
                    false
                }
                '}' | ']' => return None,
                _ => false,
            };
            // Go refuses `a**`; after a repetition, `?` makes it lazy.
            if repeats && just_repeated {
                return None;
            }
            if repeats {
                let _ = self.rest.next_if_eq(&'?');
            }
            just_repeated = repeats;
        }
        Some(())
    }

    /// `{2}`, `{2,}` and `{2,3}`: Go reads any other brace literally.
    fn counts(&mut self) -> Option<()> {
        self.number()?;
        if self.rest.next_if_eq(&',').is_some() && self.rest.peek()?.is_ascii_digit() {
            self.number()?;
        }
        self.rest.next_if_eq(&'}').map(drop)
    }

    fn number(&mut self) -> Option<()> {
        let mut digits = String::new();
        while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        digits.parse::<u32>().ok().filter(|count| *count <= MOST_REPEATED).map(drop)
    }

    /// `also` lists the escapes that match a position.
    fn escape(&mut self, also: &str) -> Option<()> {
        let c = self.rest.next()?;
        self.blanks |= matches!(c, 's' | 'S');
        let place = also.contains(c);
        // One engine reads `\b{start}` as a position.
        if place && self.rest.peek() == Some(&'{') {
            return None;
        }
        if c == 'x' {
            return self.code();
        }
        let itself = c == ' ' || (c.is_ascii_punctuation() && !matches!(c, '<' | '>'));
        (itself || place || NAMED.contains(c)).then_some(())
    }

    /// `\x41` and `\x{41}`
    fn code(&mut self) -> Option<()> {
        let braced = self.rest.next_if_eq(&'{').is_some();
        let mut digits = 0;
        while digits < if braced { 6 } else { 2 } && self.rest.next_if(char::is_ascii_hexdigit).is_some() {
            digits += 1;
        }
        let ended = if braced { digits > 0 && self.rest.next() == Some('}') } else { digits == 2 };
        ended.then_some(())
    }

    /// After `(?`: a name or flags.
    fn group(&mut self) -> Option<()> {
        if self.rest.next_if_eq(&'P').is_some() {
            self.rest.next_if_eq(&'<')?;
            let first = self.rest.next()?;
            let in_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
            while self.rest.next_if(in_name).is_some() {}
            let ended = self.rest.next() == Some('>');
            return (ended && (first.is_ascii_alphabetic() || first == '_')).then_some(());
        }
        let mut empty = true;
        loop {
            match self.rest.next()? {
                'i' => self.folds_case = true,
                'm' | 's' | 'U' | '-' => {}
                ':' => return Some(()),
                ')' if !empty => return Some(()),
                _ => return None,
            }
            empty = false;
        }
    }

    /// After `[`
    fn class(&mut self) -> Option<()> {
        let _ = self.rest.next_if_eq(&'^');
        if self.rest.peek() == Some(&']') {
            return None;
        }
        let mut before = None;
        loop {
            let c = self.rest.next()?;
            match c {
                ']' => return Some(()),
                '\\' => self.escape("")?,
                '[' => self.posix()?,
                // Set subtraction and intersection in one engine.
                '-' | '&' | '~' if before == Some(c) => return None,
                _ => {}
            }
            before = (c != '\\').then_some(c);
        }
    }

    /// `[:alpha:]` and `[:^alpha:]`; one engine reads a bracket alone as a nested class.
    fn posix(&mut self) -> Option<()> {
        self.rest.next_if_eq(&':')?;
        let _ = self.rest.next_if_eq(&'^');
        let mut name = String::new();
        while let Some(letter) = self.rest.next_if(char::is_ascii_lowercase) {
            name.push(letter);
        }
        let ended = self.rest.next() == Some(':') && self.rest.next() == Some(']');
        (ended && POSIX.contains(&name.as_str())).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluates_patterns_that_both_engines_read_alike() {
        for (pattern, text, expected) in [
            ("^a:b$", "a:b", true),
            ("a", "xay", true),
            ("^a", "xay", false),
            (r"^\W+$", "é", true),
            (r"^\w+$", "é", false),
            (r"^\d$", "٣", false),
            (r"^[^:]+:(?:x|y){1,2}$", "é:xy", true),
            (r"^[[:alpha:]_-]+$", "ab_c-", true),
            (r"^a\.b\*\x41\x{42}$", "a.b*AB", true),
            (r"^(?P<name>a+?)b??$", "aab", true),
            ("(?i)^ACME$", "acme", true),
            (r"a\sb", "a b", true),
            ("^a$", "a\n", false),
        ] {
            assert_eq!(matches(pattern, text), Some(expected), "{pattern}");
        }
    }

    /// The first ones are true in Go.
    #[test]
    fn leaves_out_patterns_that_the_engines_read_differently() {
        for (pattern, text) in [
            (r"^\Qa:b\E$", "a:b"),
            (r"^a\072b$", "a:b"),
            ("^[[a]:b$", "a:b"),
            ("^[a-z&&x]:b$", "a:b"),
            ("^[a-z--a]:b$", "a:b"),
            ("^[a~~b]$", "a"),
            ("^[--a]$", "3"),
            ("^[]a]$", "]"),
            (r"^\<a\>$", "<a>"),
            (r"\b{start}a", "a"),
            ("^a{,2}$", "a{,2}"),
            ("^a{ 1 }$", "a{ 1 }"),
            (r"^\pL:\p{Greek}$", "a:α"),
            (r"^\C$", "a"),
            ("(?i)^k$", "\u{212a}"),
            (r"^\S$", "\u{b}"),
            ("(?x)a b", "a b"),
            ("a**", "a"),
            ("(", "a"),
            (r"\", "a"),
            ("[", "a"),
        ] {
            assert_eq!(matches(pattern, text), None, "{pattern}");
        }
        assert_eq!(matches(&"a".repeat(MAX_PATTERN_BYTES + 1), "a"), None);
    }
}
