//! Compiles a definition into a service whose subjects no other service or organization can have.

use indexmap::IndexMap;

use super::claim_name::check_claim_name;
use super::compiled::Service;
use super::definition::{
    AttributeDefinition, DerivedDefinition, MAX_ATTRIBUTES, ServiceDefinition, ServiceError,
};
use super::text::Text;
use crate::subject::{SubjectTemplate, is_attribute_name};

impl Service {
    pub(super) fn compile(definition: ServiceDefinition) -> Result<Self, ServiceError> {
        let ServiceDefinition { subject, attributes, derived, claims } = definition;
        check_value_names(&attributes, &derived)?;
        // Policies match `:org:NAME:` between wildcards: no other text may look like that.
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

fn check_value_names(
    attributes: &IndexMap<String, AttributeDefinition>,
    derived: &IndexMap<String, DerivedDefinition>,
) -> Result<(), ServiceError> {
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
            return Err(ServiceError::AttributeAndDerived(name.clone()));
        }
    }
    Ok(())
}
