//! Policies that let a platform's token start a run, and the sources of the run's attributes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::limits::{
    MAX_ATTRIBUTES, MAX_AUDIENCE_BYTES, MAX_AUDIENCES, MAX_CHOICES, MAX_VALUE_BYTES, MAX_WORD_BYTES,
};
use crate::claim_path::{ClaimPath, ClaimPathError};

/// The runs that a policy grants. A denying policy has only the service, and denies every run of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunGrant {
    pub(super) service: String,
    /// In the order of the document, each name once.
    pub(super) attributes: Vec<(String, AttributeSource)>,
    /// `None` means any. Never empty.
    pub(super) audiences: Option<Vec<String>>,
}

/// The source of an attribute's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeSource {
    /// A verified claim, which must have exactly one value and begin with the prefix, which is removed.
    Claim { path: ClaimPath, strip_prefix: Option<String> },
    /// The policy.
    Value(String),
    /// The caller, who may leave the attribute out.
    Chosen(Choice),
}

/// The values that a caller may choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    Any,
    OneOf(Vec<String>),
}

/// A caller's request for a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunRequest {
    pub service: String,
    /// The audiences of its ID tokens.
    #[serde(default)]
    pub audiences: Vec<String>,
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// Why a document is not a grant of runs.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RunGrantError {
    #[error(
        "`{0}` is not a valid name: use 1 to {MAX_WORD_BYTES} lower-case letters, digits and underscores, beginning with a letter"
    )]
    Word(String),
    #[error("at most {MAX_ATTRIBUTES} attributes are accepted")]
    TooManyAttributes,
    #[error(
        "attribute `{0}` needs exactly one of `claim`, `value` and `choose`; `stripPrefix` goes with `claim`"
    )]
    Source(String),
    #[error("claim path `{path}`: {reason}")]
    Path { path: String, reason: ClaimPathError },
    #[error(
        "attribute `{0}`: a value must have 1 to {MAX_VALUE_BYTES} bytes, and a choice 1 to {MAX_CHOICES} values"
    )]
    Value(String),
    #[error(
        "`audiences` must have 1 to {MAX_AUDIENCES} audiences of 1 to {MAX_AUDIENCE_BYTES} bytes; leave it out to permit every audience"
    )]
    Audiences,
    #[error("a denying policy denies every run of its service: remove `attributes` and `audiences`")]
    DenyingTooMuch,
}

/// Why a policy does not grant a requested run.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RunMismatch {
    #[error("it is for runs of `{policy}`; the request is for `{asked}`")]
    Service { policy: String, asked: String },
    #[error("it does not permit the audience `{0}`")]
    Audience(String),
    #[error("it permits certain audiences only, and the request names none")]
    NoAudience,
    #[error("it does not let the caller choose attribute `{0}`")]
    NotToChoose(String),
    #[error("attribute `{name}` must be one of {allowed}, not `{asked}`")]
    NotAChoice { name: String, allowed: String, asked: String },
    #[error("attribute `{name}` comes from claim `{claim}`, which has {found} values; it needs exactly one")]
    ClaimValues { name: String, claim: String, found: usize },
    #[error("attribute `{name}` comes from claim `{claim}`, whose value does not continue after `{prefix}`")]
    Prefix { name: String, claim: String, prefix: String },
    #[error("attribute `{name}` comes from claim `{claim}`, which is empty")]
    EmptyClaim { name: String, claim: String },
}

impl RunGrant {
    /// The service whose runs it is about.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// In the order of the document.
    pub fn attributes(&self) -> &[(String, AttributeSource)] {
        &self.attributes
    }

    /// The attributes whose values the caller chooses.
    pub fn chosen(&self) -> impl Iterator<Item = &str> {
        let chosen =
            self.attributes.iter().filter(|(_, source)| matches!(source, AttributeSource::Chosen(_)));
        chosen.map(|(name, _)| name.as_str())
    }

    /// The audiences that a run may have; `None` permits every audience.
    pub fn audiences(&self) -> Option<&[String]> {
        self.audiences.as_deref()
    }

    /// The attributes of the requested run, by verified `claims`. The service's own rules for its attributes are not
    /// checked.
    ///
    /// Fails with the first reason for which the policy does not grant the run.
    pub fn attributes_of(
        &self,
        asked: &RunRequest,
        claims: &Map<String, Value>,
    ) -> Result<BTreeMap<String, String>, RunMismatch> {
        self.check_service(asked)?;
        self.check_audiences(&asked.audiences)?;
        let mut attributes = BTreeMap::new();
        for (name, source) in &self.attributes {
            let chosen = asked.attributes.get(name);
            if let Some(value) = source.value(name, chosen, claims)? {
                attributes.insert(name.clone(), value.into_owned());
            }
        }
        // To repeat the value that the policy gives is not a choice.
        match asked.attributes.iter().find(|(name, value)| attributes.get(*name) != Some(*value)) {
            Some((name, _)) => Err(RunMismatch::NotToChoose(name.clone())),
            None => Ok(attributes),
        }
    }

    pub(super) fn check_service(&self, asked: &RunRequest) -> Result<(), RunMismatch> {
        if self.service == asked.service {
            return Ok(());
        }
        Err(RunMismatch::Service { policy: self.service.clone(), asked: asked.service.clone() })
    }

    fn check_audiences(&self, asked: &[String]) -> Result<(), RunMismatch> {
        let Some(permitted) = &self.audiences else { return Ok(()) };
        if asked.is_empty() {
            return Err(RunMismatch::NoAudience);
        }
        match asked.iter().find(|audience| !permitted.contains(audience)) {
            Some(foreign) => Err(RunMismatch::Audience(foreign.clone())),
            None => Ok(()),
        }
    }
}

impl AttributeSource {
    fn value<'v>(
        &'v self,
        name: &str,
        chosen: Option<&'v String>,
        claims: &'v Map<String, Value>,
    ) -> Result<Option<Cow<'v, str>>, RunMismatch> {
        match self {
            Self::Value(value) => Ok(Some(Cow::Borrowed(value))),
            Self::Chosen(Choice::Any) => Ok(chosen.map(|value| Cow::Borrowed(value.as_str()))),
            Self::Chosen(Choice::OneOf(values)) => match chosen {
                Some(value) if !values.contains(value) => Err(RunMismatch::NotAChoice {
                    name: name.to_owned(),
                    allowed: values.join(", "),
                    asked: value.clone(),
                }),
                chosen => Ok(chosen.map(|value| Cow::Borrowed(value.as_str()))),
            },
            Self::Claim { path, strip_prefix } => {
                let claim_value = claim_value(name, path, strip_prefix.as_deref(), claims)?;
                Ok(Some(Cow::Owned(claim_value)))
            }
        }
    }
}

fn claim_value(
    name: &str,
    path: &ClaimPath,
    strip_prefix: Option<&str>,
    claims: &Map<String, Value>,
) -> Result<String, RunMismatch> {
    let (name, claim) = (name.to_owned(), path.as_str().to_owned());
    let mut values = path.values(claims);
    // Which one of several is meant would depend on their order.
    if values.len() != 1 {
        return Err(RunMismatch::ClaimValues { name, claim, found: values.len() });
    }
    let value = values.remove(0);
    if value.is_empty() {
        return Err(RunMismatch::EmptyClaim { name, claim });
    }
    let Some(prefix) = strip_prefix else { return Ok(value.into_owned()) };
    match value.strip_prefix(prefix) {
        Some(rest) if !rest.is_empty() => Ok(rest.to_owned()),
        _ => Err(RunMismatch::Prefix { name, claim, prefix: prefix.to_owned() }),
    }
}
