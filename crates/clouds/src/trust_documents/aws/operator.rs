//! Condition operators of IAM: `ForAnyValue:StringLikeIfExists`.

use std::fmt;

use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) set: Option<Set>,
    pub(super) comparison: Comparison,
    pub(super) if_exists: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    AnyValue,
    AllValues,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equals,
    NotEquals,
    EqualsIgnoreCase,
    NotEqualsIgnoreCase,
    Like,
    NotLike,
    Bool,
    Null,
    /// For numbers, times, addresses and ARNs, which tokens do not contain.
    OfSomethingElse(&'static str),
}

/// Why an operator is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum OperatorError {
    #[error("`{0}` is not a condition operator")]
    Unknown(String),
    #[error("`Null` cannot have `IfExists`")]
    NullIfExists,
}

const NAMES: &[(&str, Comparison)] = &[
    ("StringEquals", Comparison::Equals),
    ("StringNotEquals", Comparison::NotEquals),
    ("StringEqualsIgnoreCase", Comparison::EqualsIgnoreCase),
    ("StringNotEqualsIgnoreCase", Comparison::NotEqualsIgnoreCase),
    ("StringLike", Comparison::Like),
    ("StringNotLike", Comparison::NotLike),
    ("Bool", Comparison::Bool),
    ("Null", Comparison::Null),
];

const OF_SOMETHING_ELSE: &[&str] = &[
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
];

impl Operator {
    pub(super) fn parse(text: &str) -> Result<Self, OperatorError> {
        let (set, rest) = match text.split_once(':') {
            Some((set, rest)) if set.eq_ignore_ascii_case("ForAnyValue") => (Some(Set::AnyValue), rest),
            Some((set, rest)) if set.eq_ignore_ascii_case("ForAllValues") => (Some(Set::AllValues), rest),
            Some(_) => return Err(OperatorError::Unknown(text.to_owned())),
            None => (None, text),
        };
        let (name, if_exists) = match rest.len().checked_sub("IfExists".len()) {
            Some(at) if rest.is_char_boundary(at) && rest[at..].eq_ignore_ascii_case("IfExists") => {
                (&rest[..at], true)
            }
            _ => (rest, false),
        };
        let known = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let other = OF_SOMETHING_ELSE.iter().find(|known| known.eq_ignore_ascii_case(name));
        let comparison = match (known, other) {
            (Some((_, comparison)), _) => *comparison,
            (None, Some(other)) => Comparison::OfSomethingElse(other),
            (None, None) => return Err(OperatorError::Unknown(text.to_owned())),
        };
        if comparison == Comparison::Null && if_exists {
            return Err(OperatorError::NullIfExists);
        }
        Ok(Self { set, comparison, if_exists })
    }

    pub(super) fn is_negated(self) -> bool {
        use Comparison::{NotEquals, NotEqualsIgnoreCase, NotLike};
        matches!(self.comparison, NotEquals | NotEqualsIgnoreCase | NotLike)
    }

    /// Whether it holds only if the key is present and has one of the values.
    pub(super) fn binds(self) -> bool {
        use Comparison::{Equals, EqualsIgnoreCase, Like};
        matches!(self.comparison, Equals | EqualsIgnoreCase | Like)
            && !self.if_exists
            && self.set != Some(Set::AllValues)
    }

    pub(super) fn takes_wildcards(self) -> bool {
        matches!(self.comparison, Comparison::Like | Comparison::NotLike)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = match self.set {
            None => "",
            Some(Set::AnyValue) => "ForAnyValue:",
            Some(Set::AllValues) => "ForAllValues:",
        };
        let name = match self.comparison {
            Comparison::OfSomethingElse(name) => name,
            known => NAMES.iter().find(|(_, one)| *one == known).map_or("", |(name, _)| *name),
        };
        let if_exists = if self.if_exists { "IfExists" } else { "" };
        write!(f, "{set}{name}{if_exists}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_read_as_they_are_written() {
        for text in [
            "StringEquals",
            "ForAnyValue:StringLike",
            "ForAllValues:StringNotEqualsIfExists",
            "Null",
            "DateLessThan",
        ] {
            assert_eq!(Operator::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Operator::parse("stringlikeifexists").unwrap().to_string(), "StringLikeIfExists");
        for bad in ["", "String", "IfExists", "ForSome:StringLike", "NullIfExists", "StringEqualsé"] {
            assert!(Operator::parse(bad).is_err(), "{bad}");
        }
    }
}
