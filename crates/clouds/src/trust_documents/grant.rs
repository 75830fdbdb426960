//! Which runs are to be trusted, by whom they are vouched for and under which audience: what every document is
//! written from.

use thiserror::Error;

use super::quoting;
use super::subject_form::{OPERATION, OPERATIONS, PROJECT, STACK, SubjectForm};
use runmint_issuer::organization_name::OrganizationName;
use runmint_issuer::url::IssuerUrl;

/// Which runs of an organization. What is `None` or empty is left open.
#[derive(Clone, Debug)]
pub struct Scope {
    pub organization: OrganizationName,
    pub project: Option<String>,
    pub stacks: Vec<String>,
    pub operations: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Grant {
    pub issuer: IssuerUrl,
    pub audience: String,
    pub scope: Scope,
    pub form: SubjectForm,
    /// The other form that subjects have as long as an audience profile has two of them.
    pub other_form: Option<SubjectForm>,
    /// The audience profile behind the forms, by its audience.
    pub profile: Option<String>,
}

/// Every subject that fits its pieces; `None` stands for one component, whatever is in it.
#[derive(Clone, Debug)]
pub struct SubjectPattern {
    pieces: Vec<Option<String>>,
    /// What tells it from the others of the grant, for names.
    pub words: Vec<String>,
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum GrantError {
    #[error(
        "the subjects of tokens for this audience do not tell the {0}, and {1} compares nothing else: leave --{0} out, or change the audience's profile"
    )]
    NotInSubject(&'static str, &'static str),
    #[error("{relying_party} compares whole subjects: say which with {missing}")]
    Open { relying_party: &'static str, missing: String },
    #[error("{count} {what}, but {relying_party} takes {most} at most{advice}")]
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
    /// One pattern for each stack and operation. `relying_party` can compare subjects alone. Where these tell only
    /// the kind of an operation, that has to do ([`Self::beyond`]).
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

    /// The operations that were not named, and whose runs have the subjects of those that were.
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

    /// What is fixed, but not to be seen in a subject.
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
                    // Where the form leaves something out, several are one.
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

    /// Where subjects tell the kind of an operation alone there are few kinds, so that none needs to be left open.
    fn operations(&self, form: &SubjectForm) -> Vec<Option<&str>> {
        let named = &self.scope.operations;
        if named.is_empty() && !form.tells(OPERATION) && form.tells_kind_of_operation() {
            OPERATIONS.into_iter().map(Some).collect()
        } else {
            alternatives(named)
        }
    }

    /// A condition in the Common Expression Language, over a variable that holds the claims.
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

    /// What it is about, for names and descriptions.
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
    pub fn is_exact(&self) -> bool {
        self.pieces.iter().all(Option::is_some)
    }

    /// With `*` for what is open. No value can hold a star: subjects have it percent-encoded.
    pub fn glob(&self) -> String {
        self.pieces.iter().map(|piece| piece.as_deref().unwrap_or("*")).collect()
    }

    /// A regular expression, not anchored; what is open ends at the next separator.
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
