//! What is risky or useless in a trust document, whichever runs there are.

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Note,
    Warning,
    /// Trusts whom nobody means to trust, or can never work.
    Problem,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// A name for scripts, which stays.
    pub code: &'static str,
    pub detail: String,
}

impl Finding {
    pub fn problem(code: &'static str, detail: impl Into<String>) -> Self {
        Self { severity: Severity::Problem, code, detail: detail.into() }
    }

    pub fn warning(code: &'static str, detail: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, code, detail: detail.into() }
    }

    pub fn note(code: &'static str, detail: impl Into<String>) -> Self {
        Self { severity: Severity::Note, code, detail: detail.into() }
    }
}
