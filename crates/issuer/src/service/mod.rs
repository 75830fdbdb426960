//! Services: the kinds of run. Each declares the attributes that a run carries, its subject and its
//! claims. The built-in ones and the operator's are written and checked the same way.

mod attributes;
mod claim_name;
mod definition;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Map, Value};

pub use self::attributes::{AttributeError, Attributes};
use self::claim_name::check_claim_name;
use self::definition::{AttributeDefinition, DerivedDefinition};
pub use self::definition::{ServiceDefinition, ServiceError};
use self::text::Text;
use crate::organization_name::OrganizationName;
use crate::subject::{SubjectTemplate, is_attribute_name};

pub const MAX_ATTRIBUTES: usize = 32;

#[derive(Clone, Debug)]
pub struct Services {
    prefix: String,
    by_name: BTreeMap<String, Service>,
}

#[derive(Clone, Debug)]
pub struct Service {
    subject: SubjectTemplate,
    word: String,
    attributes: IndexMap<String, AttributeDefinition>,
    defaults: Vec<(String, Text)>,
    derived: IndexMap<String, DerivedDefinition>,
    claims: Vec<(String, Text)>,
}

/// A run's identity before it has an id: what it is called and what its tokens say beside that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub subject: String,
    pub claims: Map<String, Value>,
    /// What templates may name: the attributes with their defaults, what is derived, prefix and organization.
    pub values: Attributes,
}

/// How `scope` of `deploy` is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeRule {
    /// `read` for a preview, `write` for the rest.
    #[default]
    ByOperation,
    /// `write` always, as Pulumi Cloud does.
    AlwaysWrite,
}

impl Services {
    /// The built-in services and the operator's `own`; the error names the service it is about.
    pub fn new(
        prefix: &str,
        scope: ScopeRule,
        own: &IndexMap<String, ServiceDefinition>,
    ) -> Result<Self, (String, ServiceError)> {
        let mut definitions = built_in();
        if scope == ScopeRule::AlwaysWrite
            && let Some(derived) =
                definitions.get_mut("deploy").and_then(|deploy| deploy.derived.get_mut("scope"))
        {
            derived.values.clear();
        }
        for (name, definition) in own {
            if !is_attribute_name(name) {
                return Err((name.clone(), ServiceError::Name(name.clone())));
            }
            if definitions.insert(name.clone(), definition.clone()).is_some() {
                return Err((name.clone(), ServiceError::BuiltIn(name.clone())));
            }
        }
        let mut by_name = BTreeMap::new();
        let mut words = BTreeMap::<String, String>::new();
        for (name, definition) in definitions {
            let compiled = Service::compile(definition).and_then(|service| {
                match words.insert(service.word.clone(), name.clone()) {
                    Some(other) => Err(ServiceError::SubjectTaken { word: service.word, other }),
                    None => Ok(service),
                }
            });
            by_name.insert(name.clone(), compiled.map_err(|error| (name, error))?);
        }
        Ok(Self { prefix: prefix.to_owned(), by_name })
    }

    pub fn named(&self, name: &str) -> Option<&Service> {
        self.by_name.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Every claim that some service's tokens may carry beside the registered ones.
    pub fn claim_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (claim, _) in self.by_name.values().flat_map(|service| &service.claims) {
            if !names.contains(&claim.as_str()) {
                names.push(claim);
            }
        }
        names
    }

    /// The identity of a run of `service` with these attributes.
    pub fn identify(
        &self,
        service: &Service,
        organization: &OrganizationName,
        attributes: &Attributes,
    ) -> Result<Identity, AttributeError> {
        let mut values = service.check(attributes)?;
        values.insert("prefix".to_owned(), self.prefix.clone());
        values.insert("org".to_owned(), organization.as_str().to_owned());
        service.identify(values)
    }

    /// Whether some service has this attribute and takes this value for it.
    pub fn take(&self, attribute: &str, value: &str) -> bool {
        let definitions = self.by_name.values().filter_map(|service| service.attributes.get(attribute));
        definitions.into_iter().any(|definition| definition.check(attribute, value).is_ok())
    }
}

fn built_in() -> IndexMap<String, ServiceDefinition> {
    toml::from_str(include_str!("../builtin_services.toml")).expect("the built-in services parse")
}

impl Service {
    fn compile(definition: ServiceDefinition) -> Result<Self, ServiceError> {
        let ServiceDefinition { subject, attributes, derived, claims } = definition;
        if attributes.len() + derived.len() > MAX_ATTRIBUTES {
            return Err(ServiceError::TooMany);
        }
        for name in attributes.keys().chain(derived.keys()) {
            if !is_attribute_name(name) {
                return Err(ServiceError::AttributeName(name.clone()));
            }
            if matches!(name.as_str(), "prefix" | "org") {
                return Err(ServiceError::Reserved(name.clone()));
            }
            if attributes.contains_key(name) && derived.contains_key(name) {
                return Err(ServiceError::Twofold(name.clone()));
            }
        }
        // Policies match `:org:NAME:` with wildcards around it: nothing else may read like that.
        if subject.replace(":org:{org}", "").contains(":org:") {
            return Err(ServiceError::OrganizationTwice);
        }
        let mut defaults = Vec::new();
        for (name, attribute) in &attributes {
            let Some(default) = &attribute.default else { continue };
            if attribute.required.is_some() {
                return Err(ServiceError::RequiredAndDefault(name.clone()));
            }
            defaults.push((name.clone(), Text::parse(name, default)?));
        }
        let claims = claims.unwrap_or_else(|| {
            attributes
                .keys()
                .chain(derived.keys())
                .map(|name| (name.clone(), format!("{{{name}}}")))
                .collect()
        });
        let claims = claims
            .into_iter()
            .map(|(claim, template)| {
                check_claim_name(&claim)?;
                Ok((claim.clone(), Text::parse(&claim, &template)?))
            })
            .collect::<Result<Vec<_>, ServiceError>>()?;
        let subject = SubjectTemplate::parse(&subject).map_err(ServiceError::Subject)?;
        let word = subject_word(&subject);
        let service = Self { subject, word: String::new(), attributes, defaults, derived, claims };
        service.check_names()?;
        Ok(Self { word: word?, ..service })
    }

    fn check_names(&self) -> Result<(), ServiceError> {
        let texts = self.defaults.iter().chain(&self.claims).flat_map(|(_, text)| text.names());
        for name in self.subject.names().chain(texts) {
            let known = matches!(name, "prefix" | "org")
                || self.attributes.contains_key(name)
                || self.derived.contains_key(name);
            if !known {
                return Err(ServiceError::Unknown(name.to_owned()));
            }
        }
        for name in self.defaults.iter().flat_map(|(_, text)| text.names()) {
            // One round of defaults, so that their order cannot matter.
            if !self.attributes.get(name).is_some_and(AttributeDefinition::is_required) {
                return Err(ServiceError::Optional(name.to_owned()));
            }
        }
        for derived in self.derived.values() {
            match self.attributes.get(&derived.from) {
                Some(attribute) if attribute.is_required() => {}
                Some(_) => return Err(ServiceError::Optional(derived.from.clone())),
                None => return Err(ServiceError::Unknown(derived.from.clone())),
            }
        }
        for name in self.subject.names() {
            if self.attributes.get(name).is_some_and(AttributeDefinition::may_be_absent) {
                return Err(ServiceError::Optional(name.to_owned()));
            }
        }
        if !self.subject.names().any(|name| name == "org") {
            return Err(ServiceError::SubjectWithoutOrganization);
        }
        Ok(())
    }

    /// The attributes that its subjects depend on, directly, through a derived value or through a default.
    pub fn subject_attributes(&self) -> BTreeSet<String> {
        self.attributes_behind(self.subject.names())
    }

    /// The attributes that a claim depends on; none for one that no attribute has a part in.
    pub fn claim_attributes(&self, claim: &str) -> BTreeSet<String> {
        let texts = self.claims.iter().filter(|(name, _)| name == claim);
        self.attributes_behind(texts.flat_map(|(_, text)| text.names()))
    }

    /// The attributes that these values depend on, directly, through a derived value or through a default.
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

    /// The word that tells this service's subjects from every other service's.
    pub fn word(&self) -> &str {
        &self.word
    }

    pub fn subject_template(&self) -> &SubjectTemplate {
        &self.subject
    }

    /// Whether another subject of this service's runs may tell such a value: every run has it, and the service's
    /// own subject depends on it, too. What else a policy lets callers choose must not become part of a subject.
    pub fn may_tell(&self, name: &str) -> bool {
        let own = self.subject_attributes();
        matches!(name, "prefix" | "org")
            || self.derived.get(name).is_some_and(|derived| own.contains(&derived.from))
            || own.contains(name) && self.attributes.get(name).is_some_and(|one| !one.may_be_absent())
    }

    /// The attribute that this value follows from, where it is derived.
    pub fn derived_from(&self, name: &str) -> Option<&str> {
        self.derived.get(name).map(|derived| derived.from.as_str())
    }

    /// All values by name, defaults and derived ones included.
    fn check(&self, given: &Attributes) -> Result<Attributes, AttributeError> {
        for (name, value) in given {
            let Some(attribute) = self.attributes.get(name) else {
                return Err(AttributeError::Unknown { name: name.clone(), known: self.known() });
            };
            attribute.check(name, value)?;
        }
        let mut values = given.clone();
        for (name, attribute) in &self.attributes {
            if attribute.is_required() && !given.contains_key(name) {
                return Err(AttributeError::Missing(name.clone()));
            }
        }
        for (name, default) in &self.defaults {
            if !given.contains_key(name)
                && let Some(value) = default.render(&values)
            {
                // What an orchestrator may not say, a default must not say for it.
                if let Some(attribute) = self.attributes.get(name) {
                    attribute.check(name, &value)?;
                }
                values.insert(name.clone(), value);
            }
        }
        for (name, derived) in &self.derived {
            let value = values.get(&derived.from).and_then(|from| derived.values.get(from));
            values.insert(name.clone(), value.unwrap_or(&derived.otherwise).clone());
        }
        Ok(values)
    }

    fn identify(&self, values: Attributes) -> Result<Identity, AttributeError> {
        let subject = self.subject.render(|name| values.get(name).map(String::as_str)).ok_or_else(|| {
            let absent = self.subject.names().find(|name| !values.contains_key(*name));
            AttributeError::Missing(absent.unwrap_or_default().to_owned())
        })?;
        let claims = self
            .claims
            .iter()
            .filter_map(|(claim, text)| Some((claim.clone(), Value::String(text.render(&values)?))))
            .collect();
        Ok(Identity { subject, claims, values })
    }

    fn known(&self) -> String {
        self.attributes.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

fn subject_word(subject: &SubjectTemplate) -> Result<String, ServiceError> {
    if subject.names().next() != Some("prefix") || !subject.leading_literal().is_empty() {
        return Err(ServiceError::SubjectStart);
    }
    let word = subject.second_literal().strip_prefix(':').and_then(|rest| rest.split_once(':'));
    match word {
        Some((word, _)) if is_attribute_name(word) => Ok(word.to_owned()),
        _ => Err(ServiceError::SubjectStart),
    }
}

#[cfg(test)]
mod tests;
