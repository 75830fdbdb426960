//! The identity of a run, from the attributes that its orchestrator attests.

use serde_json::{Map, Value};

use super::attributes::{AttributeError, Attributes};
use super::compiled::Service;

/// A run's identity before it has an id: its subject and the claims of its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub subject: String,
    pub claims: Map<String, Value>,
    /// The values that templates may name: attributes with their defaults, derived values, prefix and
    /// organization.
    pub values: Attributes,
}

impl Service {
    /// All values by name, defaults and derived ones included.
    pub(super) fn check(&self, given: &Attributes) -> Result<Attributes, AttributeError> {
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
                // A default must not attest a value that an orchestrator may not.
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

    pub(super) fn identify(&self, values: Attributes) -> Result<Identity, AttributeError> {
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
