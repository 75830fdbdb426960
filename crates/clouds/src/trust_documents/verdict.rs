//! The verdict of a document on a token, condition by condition.

use serde::Serialize;

/// Whether a condition holds. Relying parties see more of a request than its token, so some are unknown here. In
/// ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    No,
    Unknown,
    Yes,
}

/// One condition with its expected and actual values, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// The name of the condition in its document.
    pub what: String,
    /// The value in the document.
    pub expected: String,
    /// The value in the token, or why it is unknown.
    pub found: String,
    /// Whether the condition holds.
    pub holds: Holds,
}

/// Whether a document accepts a token, and the conditions that decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether the token is accepted.
    pub accepts: Holds,
    /// The part of the document that accepts, or otherwise the one that comes closest.
    pub part: String,
    /// All conditions of that part.
    pub conditions: Vec<Condition>,
}

impl Holds {
    /// `Yes` or `No`.
    pub fn of(it_holds: bool) -> Self {
        if it_holds { Self::Yes } else { Self::No }
    }

    /// Keeps `Unknown`.
    pub fn negated(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl Condition {
    /// A condition that was decided.
    pub fn new(
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
        holds: Holds,
    ) -> Self {
        Self { what: what.into(), expected: expected.into(), found: found.into(), holds }
    }

    /// A condition that the token alone does not decide, or that is not supported.
    pub fn unknown(what: impl Into<String>, expected: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(what, expected, why, Holds::Unknown)
    }

    /// Equality with one text.
    pub fn equals(what: &str, expected: &str, found: Option<&str>) -> Self {
        Self::new(what, expected, found.unwrap_or(NOTHING), Holds::of(found == Some(expected)))
    }

    /// Whether the two lists have a text in common.
    pub fn any_of(what: &str, expected: &[String], found: &[&str]) -> Self {
        let holds = found.iter().any(|one| expected.iter().any(|other| other == one));
        Self::new(what, one_of(expected), listed(found), Holds::of(holds))
    }
}

impl Verdict {
    /// All conditions must hold.
    pub fn all(part: impl Into<String>, conditions: Vec<Condition>) -> Self {
        let accepts = conditions.iter().map(|condition| condition.holds).min().unwrap_or(Holds::Yes);
        Self { accepts, part: part.into(), conditions }
    }

    /// One of the alternatives must accept. If none does, the verdict is that of the closest.
    pub fn any(alternatives: Vec<Self>, when_there_is_none: &str) -> Self {
        let failing =
            |one: &Self| one.conditions.iter().filter(|condition| condition.holds == Holds::No).count();
        let nearness = |one: &Self| (one.accepts, std::cmp::Reverse(failing(one)));
        // The first of equals.
        alternatives.into_iter().rev().max_by_key(nearness).unwrap_or_else(|| {
            let nothing = Condition::new("document", when_there_is_none, NOTHING, Holds::No);
            Self::all("", vec![nothing])
        })
    }
}

pub(super) const NOTHING: &str = "nothing";

pub(super) fn one_of(texts: &[String]) -> String {
    listed(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

pub(super) fn listed(texts: &[&str]) -> String {
    if texts.is_empty() { NOTHING.to_owned() } else { texts.join(" or ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_alternative_is_reported() {
        let holding = |what: &str| Condition::new(what, "", "", Holds::Yes);
        let failing = |what: &str| Condition::new(what, "", "", Holds::No);
        let far = Verdict::all("far", vec![failing("a"), failing("b")]);
        let near = Verdict::all("near", vec![holding("a"), failing("b")]);
        let open = Verdict::all("open", vec![holding("a"), Condition::unknown("b", "", "")]);
        let right = Verdict::all("right", vec![holding("a")]);
        let of = |alternatives: &[&Verdict]| {
            Verdict::any(alternatives.iter().map(|&one| one.clone()).collect(), "").part
        };
        assert_eq!(of(&[&far, &near]), "near");
        assert_eq!(of(&[&near, &open, &far]), "open");
        assert_eq!(of(&[&open, &right]), "right");
        assert_eq!(Verdict::any(Vec::new(), "a statement").accepts, Holds::No);
    }
}
