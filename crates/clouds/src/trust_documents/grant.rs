//! The runs to trust, their issuer and their audience: the source of every document.

use thiserror::Error;

use super::quoting;
use super::subject_form::{OPERATION, OPERATIONS, PROJECT, STACK, SubjectForm};
use runmint_issuer::organization_name::OrganizationName;
use runmint_issuer::url::IssuerUrl;

/// The runs of an organization. `None` and empty lists leave an attribute open.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Always fixed.
    pub organization: OrganizationName,
    /// One project.
    pub project: Option<String>,
    /// Alternatives.
    pub stacks: Vec<String>,
    /// Alternatives.
    pub operations: Vec<String>,
}

/// The runs that a document trusts.
#[derive(Clone, Debug)]
pub struct Grant {
    /// `iss` of the tokens, byte for byte.
    pub issuer: IssuerUrl,
    /// `aud` of the tokens.
    pub audience: String,
    /// The runs to trust.
    pub scope: Scope,
    /// The form of their subjects.
    pub form: SubjectForm,
    /// The second form of subjects while an audience profile has two.
    pub other_form: Option<SubjectForm>,
    /// The audience profile that determines the forms, by its key.
    pub profile: Option<String>,
}

/// A pattern for subjects. A piece of `None` matches one whole component.
#[derive(Clone, Debug)]
pub struct SubjectPattern {
    pieces: Vec<Option<String>>,
    /// The words that identify it within the grant, for names.
    pub words: Vec<String>,
}

/// Why a relying party's document cannot express the grant.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum GrantError {
    #[error(
        "subjects of tokens for this audience do not contain the {0}, and {1} compares subjects only: omit --{0}, or change the audience profile"
    )]
    NotInSubject(&'static str, &'static str),
    /// An attribute is open, but the relying party has no wildcards.
    #[error("{relying_party} compares whole subjects: name them with {missing}")]
    Open { relying_party: &'static str, missing: String },
    /// A limit of the relying party is exceeded.
    #[error("{count} {what}, but {relying_party} accepts at most {most}{advice}")]
    TooMany {
        relying_party: &'static str,
        what: &'static str,
        count: usize,
        most: usize,
        advice: &'static str,
    },
    #[error("{0}")]
    Unfit(String),
}

impl Grant {
    /// One pattern for each stack and operation, for a relying party that compares subjects only. Subjects that
    /// contain only the kind of operation are accepted, see [`Self::beyond`]. Errors if subjects lack another
    /// attribute of the scope.
    pub fn subjects(&self, relying_party: &'static str) -> Result<Vec<SubjectPattern>, GrantError> {
        let kind_will_do = |attribute| {
            attribute == OPERATION
                && self.forms().all(|form| form.tells(OPERATION) || form.tells_kind_of_operation())
        };
        match self.untold().into_iter().find(|attribute| !kind_will_do(*attribute)) {
            Some(attribute) => Err(GrantError::NotInSubject(attribute, relying_party)),
            None => Ok(self.subject_patterns()),
        }
    }

    /// The operations outside the scope whose runs have the same subjects as those in it.
    pub fn beyond(&self) -> Vec<&'static str> {
        let named = &self.scope.operations;
        let is_named = |operation: &str| named.iter().any(|one| one == operation);
        let same = |form: &SubjectForm, one: &str, other: &str| {
            form.pieces(None, None, Some(one)) == form.pieces(None, None, Some(other))
        };
        let is_beyond = |operation: &&str| {
            !is_named(operation)
                && self.forms().any(|form| named.iter().any(|one| same(form, one, operation)))
        };
        OPERATIONS.into_iter().filter(is_beyond).collect()
    }

    pub(super) fn forms(&self) -> impl Iterator<Item = &SubjectForm> {
        std::iter::once(&self.form).chain(&self.other_form)
    }

    /// The attributes of the scope that subjects do not contain.
    pub(super) fn untold(&self) -> Vec<&'static str> {
        let scope = &self.scope;
        [
            (PROJECT, scope.project.is_some()),
            (STACK, !scope.stacks.is_empty()),
            (OPERATION, !scope.operations.is_empty()),
        ]
        .into_iter()
        .filter(|(attribute, fixed)| *fixed && !self.forms().all(|form| form.tells(attribute)))
        .map(|(attribute, _)| attribute)
        .collect()
    }

    pub(super) fn subject_patterns(&self) -> Vec<SubjectPattern> {
        let mut patterns: Vec<SubjectPattern> = Vec::new();
        for form in self.forms() {
            for stack in alternatives(&self.scope.stacks) {
                for operation in self.operations(form) {
                    let pieces = form.pieces(self.scope.project.as_deref(), stack, operation);
                    // Forms without an attribute yield the same pattern several times.
                    if patterns.iter().any(|one| one.pieces == pieces) {
                        continue;
                    }
                    let kind = operation.map(|operation| form.words_for(operation)).unwrap_or_default();
                    let words = stack.into_iter().chain(kind).map(str::to_owned).collect();
                    patterns.push(SubjectPattern { pieces, words });
                }
            }
        }
        patterns
    }

    /// If subjects contain only the kind of operation, all kinds are listed instead of leaving a wildcard.
    fn operations(&self, form: &SubjectForm) -> Vec<Option<&str>> {
        let named = &self.scope.operations;
        if named.is_empty() && !form.tells(OPERATION) && form.tells_kind_of_operation() {
            OPERATIONS.into_iter().map(Some).collect()
        } else {
            alternatives(named)
        }
    }

    /// Conditions in the Common Expression Language, on a variable `claims` that holds the claims.
    pub(super) fn expression(
        &self,
        claims: &str,
        relying_party: &'static str,
    ) -> Result<Vec<String>, GrantError> {
        let patterns = self.subject_patterns();
        let subjects = if patterns.iter().all(SubjectPattern::is_exact) {
            match patterns.as_slice() {
                [one] => format!("{claims}.sub == {}", quoting::cel(&one.glob())),
                several => {
                    let list: Vec<String> = several.iter().map(|one| quoting::cel(&one.glob())).collect();
                    format!("{claims}.sub in [{}]", list.join(", "))
                }
            }
        } else {
            let any: Vec<String> = patterns.iter().map(SubjectPattern::regex).collect();
            let regex =
                if any.len() == 1 { format!("^{}$", any[0]) } else { format!("^(?:{})$", any.join("|")) };
            format!("{claims}.sub.matches({})", quoting::cel(&regex))
        };
        let mut conditions = vec![subjects];
        for attribute in self.untold() {
            let claim =
                self.form.claim_of(attribute).ok_or(GrantError::NotInSubject(attribute, relying_party))?;
            let values: Vec<String> = match attribute {
                PROJECT => self.scope.project.iter().cloned().collect(),
                STACK => self.scope.stacks.clone(),
                _ => self.scope.operations.clone(),
            };
            let values: Vec<String> = values.iter().map(|value| quoting::cel(value)).collect();
            conditions.push(format!("{claims}.{claim} in [{}]", values.join(", ")));
        }
        Ok(conditions)
    }

    /// The scope in words, for names and descriptions.
    pub fn title(&self) -> String {
        let scope = &self.scope;
        let mut words = vec![scope.organization.as_str().to_owned()];
        words.extend(scope.project.clone());
        words.extend(scope.stacks.iter().cloned());
        words.extend(scope.operations.iter().cloned());
        words.join(" ")
    }
}

impl SubjectPattern {
    /// Whether it matches one subject only.
    pub fn is_exact(&self) -> bool {
        self.pieces.iter().all(Option::is_some)
    }

    /// With `*` for open components. Values cannot contain a star: subjects have it percent-encoded.
    pub fn glob(&self) -> String {
        self.pieces.iter().map(|piece| piece.as_deref().unwrap_or("*")).collect()
    }

    /// An unanchored regular expression; an open component ends at the next separator.
    fn regex(&self) -> String {
        self.pieces
            .iter()
            .map(|piece| piece.as_deref().map_or_else(|| "[^:]+".to_owned(), quoting::regex))
            .collect()
    }
}

fn alternatives(values: &[String]) -> Vec<Option<&str>> {
    if values.is_empty() { vec![None] } else { values.iter().map(|value| Some(value.as_str())).collect() }
}
