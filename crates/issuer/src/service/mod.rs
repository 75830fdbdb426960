//! Services: the kinds of run. Each declares the attributes of its runs, their subject and their claims.
//! Built-in services and the operator's own are written and checked in the same way.

mod attributes;
mod claim_name;
mod compile;
mod compiled;
mod definition;
mod identity;
mod text;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Deserialize;

pub use self::attributes::{AttributeError, Attributes};
pub use self::compiled::Service;
pub use self::definition::{MAX_ATTRIBUTES, ServiceDefinition, ServiceError};
pub use self::identity::Identity;
use crate::organization_name::OrganizationName;
use crate::subject::is_attribute_name;

/// All services of one server.
#[derive(Clone, Debug)]
pub struct Services {
    prefix: String,
    by_name: BTreeMap<String, Service>,
}

/// How the service `deploy` derives `scope`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeRule {
    /// `read` for a preview, otherwise `write`.
    #[default]
    ByOperation,
    /// Always `write`, as in Pulumi Cloud.
    AlwaysWrite,
}

impl Services {
    /// Compiles the built-in services and the operator's `own`. The error comes with the name of its service.
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

    /// The service of this name.
    pub fn named(&self, name: &str) -> Option<&Service> {
        self.by_name.get(name)
    }

    /// The names of all services, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Every claim that some service's tokens may have in addition to the registered ones.
    pub fn claim_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (claim, _) in self.by_name.values().flat_map(|service| &service.claims) {
            if !names.contains(&claim.as_str()) {
                names.push(claim);
            }
        }
        names
    }

    /// The identity of a run of `service` with these attributes; refuses attributes that the service does not
    /// accept.
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

    /// Whether some service has this attribute and accepts this value.
    pub fn take(&self, attribute: &str, value: &str) -> bool {
        let definitions = self.by_name.values().filter_map(|service| service.attributes.get(attribute));
        definitions.into_iter().any(|definition| definition.check(attribute, value).is_ok())
    }
}

fn built_in() -> IndexMap<String, ServiceDefinition> {
    toml::from_str(include_str!("../builtin_services.toml")).expect("the built-in services parse")
}

#[cfg(test)]
mod tests;
