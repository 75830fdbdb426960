//! The form of the subjects of an organization's runs for one audience, learned from examples: which parts
//! stand for project, stack and operation, and which follow from the operation.
//!
//! The server knows the template and this program does not, and an audience may have one of its own. So it is
//! asked for runs with names that nobody uses, and where these come back, there the value goes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use thiserror::Error;

use runmint_issuer::subject::{SubjectTemplate, TemplateError};

pub const PROJECT: &str = "project";
pub const STACK: &str = "stack";
pub const OPERATION: &str = "operation";

/// What the runs that are asked about are called.
pub const ASKED_PROJECT: &str = "runmint-asks-project";
pub const ASKED_STACK: &str = "runmint-asks-stack";
/// All that runs of `deploy` do.
pub const OPERATIONS: [&str; 4] = ["preview", "update", "refresh", "destroy"];

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says of one claim whether tokens carry it")]
pub struct SubjectForm {
    template: SubjectTemplate,
    /// Placeholder → operation → text, for the parts that follow from the operation.
    follows: BTreeMap<String, BTreeMap<String, String>>,
    /// Attribute → the claim that repeats it.
    claims: BTreeMap<&'static str, String>,
    /// Whether tokens carry what AWS takes for session tags, and for a source identity.
    pub session_tags: bool,
    pub source_identity: bool,
    /// Whether they carry the organization's name, and the run's id.
    pub org: bool,
    pub run_id: bool,
    /// The longest that a subject gets, where that is known.
    pub max_bytes: Option<usize>,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum FormError {
    #[error("there is no example for operation `{0}`")]
    NoExample(&'static str),
    #[error("the claims of an example have no `sub`")]
    NoSubject,
    #[error(
        "the subject's form depends on the operation in a way that no policy could follow: `{0}` and `{1}`"
    )]
    Uneven(String, String),
    #[error("the subject's form: {0}")]
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
            // An example is no run and has no id; every run has one, unless a profile leaves it out.
            run_id: true,
            max_bytes: None,
        })
    }

    /// Whether subjects differ by this attribute.
    pub fn tells(&self, attribute: &str) -> bool {
        self.template.names().any(|name| name == attribute)
    }

    /// Whether subjects tell some operations from others, though not each from each.
    pub fn tells_kind_of_operation(&self) -> bool {
        !self.follows.is_empty()
    }

    /// What subjects say of an operation: itself, or what follows from it.
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

    /// The pieces of the subjects of all runs with these values; `None` for a value that is left open.
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
