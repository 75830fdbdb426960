//! Templates of claims and defaults.

use super::attributes::Attributes;
use super::definition::ServiceError;
use crate::subject::{SubjectTemplate, TemplateError, is_attribute_name};

/// Text with `{name}` in it.
#[derive(Clone, Debug)]
pub(super) enum Text {
    /// At most one value, unencoded, and the text around it.
    Plain { before: String, name: Option<String>, after: String },
    /// Several values, each encoded and separated as in a subject: a policy may match this text, and `a/b`
    /// with `c` must not look like `a` with `b/c`.
    Compound(SubjectTemplate),
}

impl Text {
    pub(super) fn parse(of: &str, template: &str) -> Result<Self, ServiceError> {
        let fault = |error| ServiceError::Template(of.to_owned(), error);
        if template.matches('{').count() > 1 {
            return SubjectTemplate::parse(template).map(Self::Compound).map_err(fault);
        }
        let (before, name, after) = match template.split_once('{') {
            None => (template, None, ""),
            Some((before, rest)) => {
                let (name, after) = rest.split_once('}').ok_or_else(|| fault(TemplateError::Brace))?;
                (before, Some(name), after)
            }
        };
        if let Some(name) = name.filter(|name| !is_attribute_name(name)) {
            return Err(fault(TemplateError::Name(name.to_owned())));
        }
        if before.contains('}') || after.contains('}') {
            return Err(fault(TemplateError::Brace));
        }
        Ok(Self::Plain { before: before.to_owned(), name: name.map(str::to_owned), after: after.to_owned() })
    }

    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::Plain { name, .. } => name.iter().map(String::as_str).collect(),
            Self::Compound(template) => template.names().collect(),
        }
    }

    /// `None` if a value that it names is missing: the claim is then left out.
    pub(super) fn render(&self, values: &Attributes) -> Option<String> {
        let value_of = |name: &str| values.get(name).map(String::as_str);
        match self {
            Self::Plain { before, name: None, after } => Some([before.as_str(), after].concat()),
            Self::Plain { before, name: Some(name), after } => {
                Some([before, value_of(name)?, after].concat())
            }
            Self::Compound(template) => template.render(value_of),
        }
    }
}
