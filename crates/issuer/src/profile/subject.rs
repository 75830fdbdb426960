//! The subjects of a profile, and why runs of other organizations or services cannot have them.
//!
//! Every subject of a service begins alike, up to and including the organization: that part is rendered in
//! one way only and ends at a separator, so two equal subjects belong to the same service and the same
//! organization. An organization's own issuer needs only the word of the service.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::definition::{PreviousFor, ProfileDefinition};
use super::error::{DefinitionError, SubjectRefusal};
use super::limits::MAX_TEMPLATE_BYTES;
use super::setting::Setting;
use super::shape::Facts;
use crate::service::Service;
use crate::subject::SubjectTemplate;

#[derive(Debug)]
pub(super) struct Subjects {
    present: HashMap<String, Template>,
    previous: Option<Previous>,
}

#[derive(Debug)]
struct Template {
    text: String,
    parsed: SubjectTemplate,
}

#[derive(Debug)]
struct Previous {
    subjects: HashMap<String, Template>,
    whom: PreviousFor,
}

impl Subjects {
    pub(super) fn compile(definition: &ProfileDefinition) -> Result<Self, DefinitionError> {
        let previous = definition.previous_subject.as_ref().map(|previous| {
            Ok(Previous { subjects: compile(&previous.subject)?, whom: previous.whom.clone() })
        });
        Ok(Self { present: compile(&definition.subject)?, previous: previous.transpose()? })
    }

    /// The template for this run, with its text; `None` for the service's own subject.
    pub(super) fn of(&self, facts: &Facts<'_>) -> Option<(&str, &SubjectTemplate)> {
        let templates = match &self.previous {
            Some(previous) if previous.is_for(facts) => &previous.subjects,
            _ => &self.present,
        };
        templates.get(facts.service).map(|template| (template.text.as_str(), &template.parsed))
    }

    /// The values in the subjects of a service.
    pub(super) fn names(&self, service: &str) -> impl Iterator<Item = &str> {
        let previous = self.previous.iter().filter_map(|previous| previous.subjects.get(service));
        let templates = self.present.get(service).into_iter().chain(previous);
        templates.flat_map(|template| template.parsed.names())
    }

    /// Checks that the subjects of this service are still allowed.
    pub(super) fn check_service(&self, name: &str, setting: Setting<'_>) -> Result<(), DefinitionError> {
        let previous = self.previous.as_ref().and_then(|previous| previous.subjects.get(name));
        for template in self.present.get(name).into_iter().chain(previous) {
            check_one(name, &template.text, setting)?;
        }
        Ok(())
    }
}

impl Previous {
    fn is_for(&self, facts: &Facts<'_>) -> bool {
        match &self.whom {
            PreviousFor::All(_) => true,
            PreviousFor::Projects(projects) => {
                facts.values.get("project").is_some_and(|project| projects.contains(project))
            }
        }
    }
}

fn compile(subjects: &IndexMap<String, String>) -> Result<HashMap<String, Template>, DefinitionError> {
    let compiled = subjects.iter().map(|(service, text)| {
        if text.len() > MAX_TEMPLATE_BYTES {
            return Err(DefinitionError::TemplateTooLong(service.clone()));
        }
        let parsed = SubjectTemplate::parse(text)
            .map_err(|source| DefinitionError::Template { service: service.clone(), source })?;
        Ok((service.clone(), Template { text: text.clone(), parsed }))
    });
    compiled.collect()
}

pub(super) fn check(definition: &ProfileDefinition, setting: Setting<'_>) -> Result<(), DefinitionError> {
    let mut omitted: Vec<&str> = Vec::new();
    for (service, text) in &definition.subject {
        for name in check_one(service, text, setting)? {
            if !definition.subject_omits.iter().any(|one| one == name) {
                return Err(refusal(service, SubjectRefusal::LeavesOut(name.to_owned())));
            }
            omitted.push(name);
        }
    }
    if let Some(idle) = definition.subject_omits.iter().find(|name| !omitted.contains(&name.as_str())) {
        return Err(DefinitionError::OmitsNothing(idle.clone()));
    }
    let Some(previous) = &definition.previous_subject else { return Ok(()) };
    if matches!(&previous.whom, PreviousFor::Projects(projects) if projects.is_empty()) {
        return Err(DefinitionError::PreviousForNoProject);
    }
    if previous.subject == definition.subject {
        return Err(DefinitionError::PreviousIsCurrent);
    }
    for (service, text) in &previous.subject {
        check_one(service, text, setting)?;
        // Both are in use for the same audience at the same time.
        if let Some(present) =
            definition.subject.get(service).filter(|present| may_be_mistaken(present, text))
        {
            return Err(refusal(service, SubjectRefusal::Ambiguous { other: present.clone() }));
        }
    }
    Ok(())
}

fn refusal(service: &str, source: SubjectRefusal) -> DefinitionError {
    DefinitionError::Subject { service: service.to_owned(), source }
}

/// The values of the service's own subjects that the template leaves out.
fn check_one<'s>(name: &str, text: &str, setting: Setting<'s>) -> Result<Vec<&'s str>, DefinitionError> {
    let service =
        setting.services.named(name).ok_or_else(|| DefinitionError::UnknownService(name.to_owned()))?;
    let parsed = SubjectTemplate::parse(text)
        .map_err(|source| DefinitionError::Template { service: name.to_owned(), source })?;
    check_template(service, text, &parsed, setting.own_issuer).map_err(|source| refusal(name, source))?;
    Ok(leaves_out(service, &parsed))
}

fn check_template(
    service: &Service,
    text: &str,
    template: &SubjectTemplate,
    own_issuer: bool,
) -> Result<(), SubjectRefusal> {
    if let Some(unknown) = template.names().find(|name| !service.may_tell(name)) {
        return Err(SubjectRefusal::Unknown(unknown.to_owned()));
    }
    let own = service.subject_template();
    if own_issuer {
        let word = service.word();
        let begins = template.names().next() == Some("prefix")
            && template.leading_literal().is_empty()
            && template.second_literal().starts_with(&format!(":{word}:"));
        if !begins {
            return Err(SubjectRefusal::Word { word: word.to_owned() });
        }
    } else if !template.begins_like(own, "org") {
        return Err(SubjectRefusal::Head { head: own.text_through("org") });
    }
    // Policies match `:org:NAME:` between wildcards: no other text may look like that.
    if text.replace(":org:{org}", "").contains(":org:") {
        return Err(SubjectRefusal::OrganizationTwice);
    }
    // Runs had the service's own subjects before the profile existed, and still have them for other
    // audiences.
    let own = own.to_string();
    if may_be_mistaken(&own, text) {
        return Err(SubjectRefusal::Ambiguous { other: own });
    }
    Ok(())
}

/// The values in the service's own subject that this template does not contain.
fn leaves_out<'s>(service: &'s Service, template: &SubjectTemplate) -> Vec<&'s str> {
    let has = |name: &str| template.names().any(|one| one == name);
    let told = |name: &str| has(name) || service.derived_from(name).is_some_and(has);
    let names = service.subject_template().names().filter(|name| !matches!(*name, "prefix" | "org"));
    names.filter(|name| !told(name)).collect()
}

/// Whether subjects of one template could be mistaken for the other's, also by a policy that ends in a
/// wildcard: `…:project:website:*` must not match a run of the project `project` and the stack `website`. So
/// where the templates begin to differ, both must have literal text.
fn may_be_mistaken(one: &str, other: &str) -> bool {
    let is_fixed = |part: &str| !part.contains('{');
    // Values contain no `:`, so the text between two colons comes from one part.
    let difference = one.split(':').zip(other.split(':')).find(|(one, other)| one != other);
    difference.is_some_and(|(one, other)| !is_fixed(one) || !is_fixed(other))
}

/// Refuses templates whose subjects could be mistaken for those of `before`, which policies may still trust.
pub(super) fn check_against(
    definition: &ProfileDefinition,
    before: &ProfileDefinition,
) -> Result<(), DefinitionError> {
    for (service, text) in &definition.subject {
        if let Some(other) = before.subject.get(service).filter(|other| may_be_mistaken(text, other)) {
            return Err(refusal(service, SubjectRefusal::Ambiguous { other: other.clone() }));
        }
    }
    Ok(())
}

/// Policies match `:org:NAME:` between wildcards. No value, together with the text beside it, may look like
/// that.
pub(super) fn names_one_organization(subject: &str, template: &SubjectTemplate) -> bool {
    match subject.split_once(":org:") {
        None => true,
        Some((_, rest)) => {
            template.names().any(|name| name == "org") && ![":", rest, ":"].concat().contains(":org:")
        }
    }
}
