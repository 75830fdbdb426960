//! A checked service, and which attributes its parts depend on.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::definition::{AttributeDefinition, DerivedDefinition};
use super::text::Text;
use crate::subject::SubjectTemplate;

/// A checked service.
#[derive(Clone, Debug)]
pub struct Service {
    pub(super) subject: SubjectTemplate,
    pub(super) word: String,
    pub(super) attributes: IndexMap<String, AttributeDefinition>,
    pub(super) defaults: Vec<(String, Text)>,
    pub(super) derived: IndexMap<String, DerivedDefinition>,
    pub(super) claims: Vec<(String, Text)>,
}

impl Service {
    /// The attributes on which its subjects depend, directly, through a derived value or through a default.
    pub fn subject_attributes(&self) -> BTreeSet<String> {
        self.attributes_behind(self.subject.names())
    }

    /// The attributes on which a claim depends; empty for a claim that depends on no attribute.
    pub fn claim_attributes(&self, claim: &str) -> BTreeSet<String> {
        let texts = self.claims.iter().filter(|(name, _)| name == claim);
        self.attributes_behind(texts.flat_map(|(_, text)| text.names()))
    }

    /// The attributes on which these values depend, directly, through a derived value or through a default.
    pub fn attributes_behind<'n>(&'n self, names: impl Iterator<Item = &'n str>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut names: Vec<&str> = names.collect();
        while let Some(name) = names.pop() {
            if let Some(derived) = self.derived.get(name) {
                names.push(&derived.from);
            } else if self.attributes.contains_key(name) && found.insert(name.to_owned()) {
                let defaults = self.defaults.iter().filter(|(of, _)| of == name);
                names.extend(defaults.flat_map(|(_, text)| text.names()));
            }
        }
        found
    }

    /// The component after the prefix, which distinguishes its subjects from those of every other service.
    pub fn word(&self) -> &str {
        &self.word
    }

    /// The template of its subjects.
    pub fn subject_template(&self) -> &SubjectTemplate {
        &self.subject
    }

    /// Whether a profile's subject may contain the value `name`: every run has it, and the service's own
    /// subject depends on it, too. Other values, which a policy may let callers choose, must not become part
    /// of a subject.
    pub fn may_tell(&self, name: &str) -> bool {
        let own = self.subject_attributes();
        matches!(name, "prefix" | "org")
            || self.derived.get(name).is_some_and(|derived| own.contains(&derived.from))
            || own.contains(name) && self.attributes.get(name).is_some_and(|one| !one.may_be_absent())
    }

    /// The attribute from which this value is derived, if it is.
    pub fn derived_from(&self, name: &str) -> Option<&str> {
        self.derived.get(name).map(|derived| derived.from.as_str())
    }
}
