//! One line of an inspection.

#[derive(Debug)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
    pub(super) detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Right,
    Wrong,
    /// Worth knowing; makes the token neither valid nor invalid.
    Note,
    /// It could not be found out, so the token is not known to be valid.
    Unknown,
}

impl Check {
    pub(super) fn new(name: &'static str, outcome: Outcome, detail: impl Into<String>) -> Self {
        Self { name, outcome, detail: detail.into() }
    }

    pub(super) fn right(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, Outcome::Right, detail)
    }

    pub(super) fn wrong(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, Outcome::Wrong, detail)
    }

    pub(super) fn note(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, Outcome::Note, detail)
    }

    pub(super) fn unknown(name: &'static str, why: &str) -> Self {
        Self::new(name, Outcome::Unknown, format!("not checked: {why}"))
    }
}

/// Two texts that should be equal, with what people overlook.
pub(in crate::cli) fn differ(expected: &str, found: &str) -> String {
    let hint = if expected.trim_end_matches('/') == found.trim_end_matches('/') {
        "; they differ in a slash at the end"
    } else if expected.eq_ignore_ascii_case(found) {
        "; they differ in upper and lower case"
    } else {
        ""
    };
    format!("expected `{expected}`, found `{found}`{hint}")
}
