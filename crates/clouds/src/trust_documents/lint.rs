//! Findings: risky or useless parts of a trust document, whatever the runs.

use serde::Serialize;

/// In ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It works as intended, and could be stricter.
    Note,
    /// It may trust more than intended.
    Warning,
    /// It trusts unintended callers, or can never work.
    Problem,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// A stable name for scripts.
    pub code: &'static str,
    /// For people, in one sentence.
    pub detail: String,
}

impl Finding {
    /// A finding of severity `Problem`.
    pub fn problem(code: &'static str, detail: impl Into<String>) -> Self {
        Self { severity: Severity::Problem, code, detail: detail.into() }
    }

    /// A finding of severity `Warning`.
    pub fn warning(code: &'static str, detail: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, code, detail: detail.into() }
    }

    /// A finding of severity `Note`.
    pub fn note(code: &'static str, detail: impl Into<String>) -> Self {
        Self { severity: Severity::Note, code, detail: detail.into() }
    }
}
