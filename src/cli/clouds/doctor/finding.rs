//! One line of the report.

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Ok,
    /// It could not be checked, which is neither good nor bad.
    Skipped,
    Warning,
    Failure,
}

#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) name: String,
    pub(super) outcome: Outcome,
    pub(super) detail: String,
    pub(super) remedy: Option<String>,
}

impl Finding {
    pub(super) fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Ok, detail: detail.into(), remedy: None }
    }

    pub(super) fn skipped(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Skipped, detail: detail.into(), remedy: None }
    }

    pub(super) fn warning(
        name: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            outcome: Outcome::Warning,
            detail: detail.into(),
            remedy: Some(remedy.into()),
        }
    }

    pub(super) fn failure(
        name: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            outcome: Outcome::Failure,
            detail: detail.into(),
            remedy: Some(remedy.into()),
        }
    }
}
