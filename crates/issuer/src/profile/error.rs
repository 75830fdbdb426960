//! What can be wrong with a profile.

use thiserror::Error;

use super::limits::{MAX_PROFILES, MAX_TAGS, MAX_TEMPLATE_BYTES, MIN_SUBJECT_LIMIT};
use crate::audience::AudienceError;
use crate::lifetime::MIN_LIFETIME;
use crate::subject::{MAX_SUBJECT_BYTES, TemplateError};

#[derive(Debug, Error, PartialEq, Eq)]
pub enum ProfileError {
    #[error("an organization has at most {MAX_PROFILES} profiles")]
    TooMany,
    #[error("audience `{audience}`: {source}")]
    Audience { audience: String, source: AudienceError },
    #[error("audience `{0}`: `*` stands at the end, or not at all")]
    Star(String),
    #[error("profile of `{audience}`: {source}")]
    Profile { audience: String, source: DefinitionError },
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum DefinitionError {
    #[error("subject of {service}: {source}")]
    Template { service: String, source: TemplateError },
    #[error("subject of {0}: a template has at most {MAX_TEMPLATE_BYTES} bytes")]
    TemplateTooLong(String),
    #[error("subject of {service}: {source}")]
    Subject { service: String, source: SubjectRefusal },
    #[error("there is no service `{0}`")]
    UnknownService(String),
    #[error("subject_omits: `{0}` is left out of none of these subjects")]
    OmitsNothing(String),
    #[error("previous_subject: it is for no project; leave it out")]
    PreviousForNobody,
    #[error("previous_subject: it is the same as the present one for every service")]
    PreviousIsPresent,
    #[error("max_subject_bytes is {MIN_SUBJECT_LIMIT} to {MAX_SUBJECT_BYTES}")]
    MaxSubjectBytes,
    #[error("include_claims and leave_out_claims exclude each other")]
    IncludeAndLeaveOut,
    #[error("claim `{0}` is in every token: it is neither included nor left out")]
    RegisteredClaim(String),
    #[error("no service has a claim `{0}`")]
    UnknownClaim(String),
    #[error("`{0}` is given twice")]
    Twice(String),
    #[error("lifetime_seconds is {min} to {max}", min = MIN_LIFETIME.as_secs())]
    Lifetime { max: i64 },
    #[error("aws_session_tags: AWS takes 1 to {MAX_TAGS} tags")]
    TagCount,
    #[error(
        "aws_session_tags: `{0}` is no tag's name: 1 to 128 of letters, digits, spaces and `_.:/=+-@`, not beginning with `aws:`"
    )]
    TagName(String),
    #[error("aws_session_tags: `{0}` stands there in another case: AWS does not tell them apart")]
    TagCase(String),
    #[error("aws_session_tags: `{0}` is transitive and no tag")]
    Transitive(String),
    #[error("`{0}` is no text, which a tag and a source identity are")]
    NotText(String),
    #[error("Microsoft Entra verifies RS256 alone")]
    EntraAlgorithm,
}

/// Why a template would make subjects that say too little, or that somebody else could have.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SubjectRefusal {
    #[error("`{{{0}}}` is nothing that this service's own subjects depend on")]
    Unknown(String),
    #[error(
        "must begin with `{head}`, as this service's own subjects do: otherwise another organization or service could speak of the same subject"
    )]
    Head { head: String },
    #[error(
        "must begin with `{{prefix}}:{word}:`, as this service's own subjects do: otherwise another service could speak of the same subject"
    )]
    Word { word: String },
    #[error("`:org:` stands only right before `{{org}}`, or runs could pass for another organization's")]
    OrganizationTwice,
    #[error(
        "leaves out {{{0}}}: runs that differ in nothing else would have the same subject. Where that is meant, name it in subject_omits"
    )]
    LeavesOut(String),
    #[error(
        "could be taken for `{other}`, which other runs have or had: put a word of its own where it begins to differ, as `:v2:` before the next value"
    )]
    Ambiguous { other: String },
}
