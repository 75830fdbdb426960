//! Patterns with `*` for any text and, for some relying parties, `?` for one character.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wildcard(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Exactly(char),
    One,
    Any,
}

const ORGANIZATION: [Piece; 3] = [Piece::Exactly('o'), Piece::Exactly('r'), Piece::Exactly('g')];
/// The prefix and the service come before the organization's name.
const PLACES: usize = 3;

impl Wildcard {
    pub(super) fn new(pieces: Vec<Piece>) -> Self {
        Self(pieces)
    }

    /// Only `*` is a wildcard.
    pub(super) fn with_stars(text: &str) -> Self {
        Self(text.chars().map(|c| if c == '*' { Piece::Any } else { Piece::Exactly(c) }).collect())
    }

    pub(super) fn is_exact(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Exactly(_)))
    }

    /// Whether every text matches, except perhaps the empty one.
    pub(super) fn is_anything(&self) -> bool {
        self.0.contains(&Piece::Any) && !self.0.iter().any(|piece| matches!(piece, Piece::Exactly(_)))
    }

    /// The only matching text, if there is only one.
    pub(super) fn exact_text(&self) -> Option<String> {
        let exactly = |piece: &Piece| if let Piece::Exactly(c) = piece { Some(*c) } else { None };
        self.0.iter().map(exactly).collect()
    }

    pub(super) fn has_one(&self) -> bool {
        self.0.contains(&Piece::One)
    }

    /// Whether a wildcard is at or before the organization's name, which follows `org` in subjects. Without that
    /// label the name may be any of the first components.
    pub(super) fn opens_organization(&self) -> bool {
        let is_mark = |piece: &Piece| matches!(piece, Piece::Exactly(c) if is_separator(*c));
        let mut after_label = false;
        for (place, component) in self.0.split(is_mark).enumerate() {
            if component.iter().any(|piece| !matches!(piece, Piece::Exactly(_))) {
                return after_label || place < PLACES || self.names_organization();
            }
            if after_label {
                return false;
            }
            after_label = component == ORGANIZATION;
        }
        false
    }

    fn names_organization(&self) -> bool {
        self.0.split(|piece| *piece == Piece::Exactly(':')).any(|component| component == ORGANIZATION)
    }

    /// A matching text, with `word` in place of wildcards.
    pub(super) fn filled(&self, word: &str) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Exactly(c) => text.push(*c),
                Piece::One => text.extend(word.chars().next()),
                Piece::Any => text.push_str(word),
            }
        }
        text
    }

    /// Whether a wildcard begins within a component: `acme*` also matches `acme-evil`.
    pub(super) fn star_within_a_component(&self) -> bool {
        self.0.windows(2).any(|pair| match pair {
            [Piece::Exactly(before), Piece::Any | Piece::One] => !is_separator(*before),
            _ => false,
        })
    }

    /// Backtracks only to the last star: at worst quadratic, whatever the pattern.
    pub(super) fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (&self.0, text.chars().collect::<Vec<_>>());
        let (mut at, mut of) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            match pattern.get(of) {
                Some(Piece::Any) => {
                    star = Some((of, at));
                    of += 1;
                }
                Some(Piece::One) => (at, of) = (at + 1, of + 1),
                Some(Piece::Exactly(c)) if *c == text[at] => (at, of) = (at + 1, of + 1),
                _ => {
                    let Some((last, taken)) = star else { return false };
                    star = Some((last, taken + 1));
                    (at, of) = (taken + 1, last + 1);
                }
            }
        }
        pattern[of..].iter().all(|piece| *piece == Piece::Any)
    }
}

pub(super) fn is_separator(c: char) -> bool {
    matches!(c, ':' | '/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, without optimization.
    fn naively(pattern: &[Piece], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([Piece::Any, rest @ ..], _) => (0..=text.len()).any(|taken| naively(rest, &text[taken..])),
            ([Piece::One, rest @ ..], [_, after @ ..]) => naively(rest, after),
            ([Piece::Exactly(c), rest @ ..], [first, after @ ..]) => c == first && naively(rest, after),
            _ => false,
        }
    }

    fn piece() -> impl Strategy<Value = Piece> {
        prop_oneof![Just(Piece::Any), Just(Piece::One), Just(Piece::Exactly('a')), Just(Piece::Exactly('b'))]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn matches_like_the_definition(pattern in prop::collection::vec(piece(), 0..8), text in "[abé]{0,8}") {
            let expected = naively(&pattern, &text.chars().collect::<Vec<_>>());
            prop_assert_eq!(Wildcard::new(pattern).matches(&text), expected);
        }
    }

    #[test]
    fn a_malicious_pattern_is_not_slow() {
        assert!(!Wildcard::with_stars(&("*a".repeat(200) + "b")).matches(&"a".repeat(5_000)));
    }

    #[test]
    fn wildcards_up_to_the_organization_open_it() {
        for (pattern, open) in [
            ("p:deploy:org:*:stack:prod", true),
            ("p:deploy:org:acme*:stack:prod", true),
            ("p:*:org:acme:stack:prod", true),
            ("p:deploy:a:b:c:*:org:acme", true),
            ("p:deploy:*", true),
            ("*", true),
            ("*:stack:prod", true),
            ("p:deploy:org:acme:*", false),
            ("p:environments:org:acme:env:*/prod", false),
            ("repo:acme/web:*", false),
            ("p:deploy:org:acme", false),
        ] {
            assert_eq!(Wildcard::with_stars(pattern).opens_organization(), open, "{pattern}");
        }
        assert_eq!(Wildcard::with_stars("a:*:b*").filled("x"), "a:x:bx");
        assert_eq!(Wildcard::with_stars("a:b").exact_text().as_deref(), Some("a:b"));
        assert_eq!(Wildcard::with_stars("a:*").exact_text(), None);
    }

    #[test]
    fn a_star_after_a_separator_is_a_whole_component() {
        for (pattern, within) in
            [("org:acme:*", false), ("org:acme*", true), ("*:acme", false), ("a:*:b", false), ("a/*", false)]
        {
            assert_eq!(Wildcard::with_stars(pattern).star_within_a_component(), within, "{pattern}");
        }
        assert!(Wildcard::with_stars("**").is_anything() && !Wildcard::with_stars("*:*").is_anything());
    }
}
