//! Templates of claims and defaults.

use super::attributes::Attributes;
use super::definition::ServiceError;
use crate::issuer::subject::{TemplateError, is_attribute_name};

/// Text with `{name}` in it, rendered without any encoding: claims carry what was attested.
#[derive(Clone, Debug)]
pub(super) struct Text(Vec<Result<String, String>>);

impl Text {
    pub(super) fn parse(of: &str, template: &str) -> Result<Self, ServiceError> {
        let fault = |error| ServiceError::Template(of.to_owned(), error);
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((literal, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| fault(TemplateError::Brace))?;
            if !is_attribute_name(name) {
                return Err(fault(TemplateError::Name(name.to_owned())));
            }
            parts.extend([Ok(literal.to_owned()), Err(name.to_owned())]);
            rest = after;
        }
        if rest.contains('}') {
            return Err(fault(TemplateError::Brace));
        }
        parts.push(Ok(rest.to_owned()));
        Ok(Self(parts))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| part.as_ref().err().map(String::as_str))
    }

    /// `None` when a value it names is absent: the claim is then left out.
    pub(super) fn render(&self, values: &Attributes) -> Option<String> {
        self.0
            .iter()
            .map(|part| match part {
                Ok(literal) => Some(literal.as_str()),
                Err(name) => values.get(name).map(String::as_str),
            })
            .collect()
    }
}
