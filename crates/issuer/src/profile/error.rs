//! Errors of profiles.

use thiserror::Error;

use super::limits::{MAX_PROFILES, MAX_TAGS, MAX_TEMPLATE_BYTES, MIN_SUBJECT_LIMIT};
use crate::audience::AudienceError;
use crate::lifetime::MIN_LIFETIME;
use crate::subject::{MAX_SUBJECT_BYTES, TemplateError};

/// Profiles were refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ProfileError {
    #[error("an organization has at most {MAX_PROFILES} profiles")]
    TooMany,
    #[error("audience `{audience}`: {source}")]
    Audience { audience: String, source: AudienceError },
    #[error("audience `{0}`: `*` may appear only at the end")]
    Star(String),
    #[error("profile of `{audience}`: {source}")]
    Profile { audience: String, source: DefinitionError },
}

/// One profile was refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DefinitionError {
    #[error("subject of {service}: {source}")]
    Template { service: String, source: TemplateError },
    #[error("subject of {0}: a template has at most {MAX_TEMPLATE_BYTES} bytes")]
    TemplateTooLong(String),
    #[error("subject of {service}: {source}")]
    Subject { service: String, source: SubjectRefusal },
    #[error("service `{0}` does not exist")]
    UnknownService(String),
    #[error("subject_omits: no subject here leaves out `{0}`")]
    OmitsNothing(String),
    #[error("previous_subject: `for` names no project; leave previous_subject out")]
    PreviousForNoProject,
    #[error("previous_subject: it equals the current subject for every service")]
    PreviousIsCurrent,
    #[error("max_subject_bytes must be {MIN_SUBJECT_LIMIT} to {MAX_SUBJECT_BYTES}")]
    MaxSubjectBytes,
    #[error("include_claims and leave_out_claims cannot be combined")]
    IncludeAndLeaveOut,
    #[error("claim `{0}` is in every token and cannot be listed here")]
    RegisteredClaim(String),
    #[error("no service has a claim `{0}`")]
    UnknownClaim(String),
    #[error("`{0}` is listed twice")]
    Twice(String),
    #[error("lifetime_seconds must be {min} to {max}", min = MIN_LIFETIME.as_secs())]
    Lifetime { max: i64 },
    #[error("aws_session_tags: AWS takes 1 to {MAX_TAGS} tags")]
    TagCount,
    #[error(
        "aws_session_tags: `{0}` is not a valid tag name: use 1 to 128 letters, digits, spaces and `_.:/=+-@`, not beginning with `aws:`"
    )]
    TagName(String),
    #[error("aws_session_tags: `{0}` differs from another tag only in case, which AWS ignores")]
    TagCase(String),
    #[error("aws_session_tags: transitive `{0}` is not one of the tags")]
    Transitive(String),
    #[error("claim `{0}` is not text, as a session tag and a source identity must be")]
    NotText(String),
    #[error("Microsoft Entra verifies only RS256")]
    EntraAlgorithm,
}

/// Why a template was refused: its subjects would say too little, or other runs could have them.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SubjectRefusal {
    #[error("this service's own subjects do not depend on `{{{0}}}`")]
    Unknown(String),
    #[error(
        "must begin with `{head}`, as this service's own subjects do: otherwise another organization or service could have the same subject"
    )]
    Head { head: String },
    #[error(
        "must begin with `{{prefix}}:{word}:`, as this service's own subjects do: otherwise another service could have the same subject"
    )]
    Word { word: String },
    #[error("`:org:` may appear only right before `{{org}}`, or runs could pass for another organization's")]
    OrganizationTwice,
    #[error(
        "leaves out {{{0}}}: runs that differ only there would have the same subject. If that is intended, name it in subject_omits"
    )]
    LeavesOut(String),
    #[error(
        "could be mistaken for `{other}`, which other runs have or had: put a distinct literal where the two begin to differ, such as `:v2:` before the next value"
    )]
    Ambiguous { other: String },
}
