//! The form of the subjects of an organization's runs for one audience, learned from examples: which parts hold
//! project, stack and operation, and which depend on the operation.
//!
//! Only the server knows the template, and an audience may have its own. So the client asks for runs with unused names
//! and finds the places where these names appear.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use thiserror::Error;

use runmint_issuer::subject::{SubjectTemplate, TemplateError};

/// The attribute of the project.
pub const PROJECT: &str = "project";
/// The attribute of the stack.
pub const STACK: &str = "stack";
/// The attribute of the operation.
pub const OPERATION: &str = "operation";

/// The project of example runs.
pub const ASKED_PROJECT: &str = "runmint-asks-project";
/// The stack of example runs.
pub const ASKED_STACK: &str = "runmint-asks-stack";
/// The operations of the service `deploy`.
pub const OPERATIONS: [&str; 4] = ["preview", "update", "refresh", "destroy"];

/// The form of subjects, and the claims that tokens carry.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is about one claim that tokens may carry")]
pub struct SubjectForm {
    template: SubjectTemplate,
    /// Placeholder → operation → text, for the parts that depend on the operation.
    follows: BTreeMap<String, BTreeMap<String, String>>,
    /// Attribute → the claim that repeats it.
    claims: BTreeMap<&'static str, String>,
    /// Whether tokens carry session tags for AWS.
    pub session_tags: bool,
    /// Whether tokens carry a source identity for AWS.
    pub source_identity: bool,
    /// Whether tokens carry the organization's name.
    pub org: bool,
    /// Whether tokens carry the run's id.
    pub run_id: bool,
    /// The longest subject in bytes, if known.
    pub max_bytes: Option<usize>,
}

/// Why no form can be learned from the examples.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FormError {
    #[error("the example for operation `{0}` is missing")]
    NoExample(&'static str),
    #[error("the claims of an example have no `sub`")]
    NoSubject,
    #[error(
        "the form of subjects depends on the operation in a way that no policy can express: `{0}` and `{1}`"
    )]
    Uneven(String, String),
    #[error("could not read the form of subjects: {0}")]
    Template(#[from] TemplateError),
}

impl SubjectForm {
    /// Learns from the claims of runs of [`ASKED_PROJECT`] and [`ASKED_STACK`], one for each operation.
    pub fn learn(examples: &[(&'static str, Map<String, Value>)]) -> Result<Self, FormError> {
        let mut subjects = BTreeMap::new();
        for operation in OPERATIONS {
            let (_, claims) =
                examples.iter().find(|(of, _)| *of == operation).ok_or(FormError::NoExample(operation))?;
            let subject = claims.get("sub").and_then(Value::as_str).ok_or(FormError::NoSubject)?;
            subjects.insert(operation, components(subject));
        }
        let (_, first) = subjects.first_key_value().ok_or(FormError::NoSubject)?;
        for other in subjects.values() {
            let even =
                other.len() == first.len() && other.iter().zip(first).all(|(a, b)| is_mark(a) == is_mark(b));
            if !even {
                return Err(FormError::Uneven(first.concat(), other.concat()));
            }
        }
        let mut template = String::new();
        let mut follows = BTreeMap::new();
        for (place, piece) in first.iter().enumerate() {
            let of = |operation: &str| subjects[operation][place];
            match *piece {
                ASKED_PROJECT => template.push_str("{project}"),
                ASKED_STACK => template.push_str("{stack}"),
                text if OPERATIONS.iter().all(|operation| of(operation) == text) => template.push_str(text),
                _ if OPERATIONS.iter().all(|operation| of(operation) == *operation) => {
                    template.push_str("{operation}");
                }
                _ => {
                    let name = format!("follows_{place}");
                    template.extend(["{", &name, "}"]);
                    let values =
                        OPERATIONS.iter().map(|one| ((*one).to_owned(), of(one).to_owned())).collect();
                    follows.insert(name, values);
                }
            }
        }
        let (_, claims) = &examples[0];
        Ok(Self {
            template: SubjectTemplate::parse(&template)?,
            follows,
            claims: repeated(examples),
            session_tags: claims.keys().any(|name| name.starts_with("https://aws.amazon.com/tags")),
            source_identity: claims.contains_key("https://aws.amazon.com/source_identity"),
            org: claims.contains_key("org"),
            // Examples have no run id, but every run has one unless a profile leaves it out.
            run_id: true,
            max_bytes: None,
        })
    }

    /// Whether subjects contain this attribute.
    pub fn tells(&self, attribute: &str) -> bool {
        self.template.names().any(|name| name == attribute)
    }

    /// Whether a part of the subject depends on the operation.
    pub fn tells_kind_of_operation(&self) -> bool {
        !self.follows.is_empty()
    }

    /// The words for an operation in subjects: itself, or the parts that depend on it.
    pub fn words_for(&self, operation: &str) -> Vec<&str> {
        let of = |name| match name {
            OPERATION => OPERATIONS.into_iter().find(|one| *one == operation),
            follows => self.follows.get(follows)?.get(operation).map(String::as_str),
        };
        if self.tells(OPERATION) {
            of(OPERATION).into_iter().collect()
        } else {
            self.template.names().filter_map(of).collect()
        }
    }

    /// The claim that repeats an attribute.
    pub fn claim_of(&self, attribute: &str) -> Option<&str> {
        self.claims.get(attribute).map(String::as_str)
    }

    /// The pieces of the subjects of all runs with these values; `None` leaves a value open.
    pub fn pieces(
        &self,
        project: Option<&str>,
        stack: Option<&str>,
        operation: Option<&str>,
    ) -> Vec<Option<String>> {
        self.template.render_open(|name| match name {
            PROJECT => project,
            STACK => stack,
            OPERATION => operation,
            follows => self.follows.get(follows)?.get(operation?).map(String::as_str),
        })
    }
}

/// A subject cut at its separators, which are pieces of their own.
fn components(subject: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = subject;
    while let Some(at) = rest.find([':', '/']) {
        pieces.extend([&rest[..at], &rest[at..=at]]);
        rest = &rest[at + 1..];
    }
    pieces.push(rest);
    pieces
}

fn is_mark(piece: &str) -> bool {
    matches!(piece, ":" | "/")
}

fn repeated(examples: &[(&'static str, Map<String, Value>)]) -> BTreeMap<&'static str, String> {
    let claim_with = |value: &dyn Fn(&'static str) -> &'static str| {
        let (_, first) = examples.first()?;
        let says = |name: &str| {
            examples
                .iter()
                .all(|(operation, claims)| claims.get(name).and_then(Value::as_str) == Some(value(operation)))
        };
        first.keys().find(|name| *name != "sub" && says(name)).cloned()
    };
    let attributes: [(&'static str, &dyn Fn(&'static str) -> &'static str); 3] =
        [(PROJECT, &|_| ASKED_PROJECT), (STACK, &|_| ASKED_STACK), (OPERATION, &|operation| operation)];
    attributes.into_iter().filter_map(|(name, value)| Some((name, claim_with(value)?))).collect()
}
