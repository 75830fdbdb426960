//! Claims that AWS acts on: session tags and the source identity (IAM User Guide, "Passing session
//! tags using AssumeRoleWithWebIdentity" and `AssumeRoleWithWebIdentity` in the STS API).

use serde_json::{Map, Value, json};

use super::definition::SessionTagsDefinition;
use super::error::DefinitionError;
use super::limits::MAX_TAGS;
use super::shape::ShapeError;

pub(super) const TAGS_CLAIM: &str = "https://aws.amazon.com/tags";
pub(super) const SOURCE_IDENTITY_CLAIM: &str = "https://aws.amazon.com/source_identity";

const MAX_TAG_NAME_CHARS: usize = 128;
const MAX_TAG_VALUE_CHARS: usize = 256;

#[derive(Debug)]
pub(super) struct SessionTags {
    /// Name and claim.
    tags: Vec<(String, String)>,
    transitive: Vec<String>,
}

impl SessionTags {
    pub(super) fn compile(definition: &SessionTagsDefinition) -> Result<Self, DefinitionError> {
        let SessionTagsDefinition { tags, transitive } = definition;
        if !(1..=MAX_TAGS).contains(&tags.len()) {
            return Err(DefinitionError::TagCount);
        }
        for (index, name) in tags.keys().enumerate() {
            if !is_tag_name(name) {
                return Err(DefinitionError::TagName(name.clone()));
            }
            if tags.keys().take(index).any(|other| other.to_lowercase() == name.to_lowercase()) {
                return Err(DefinitionError::TagCase(name.clone()));
            }
        }
        for (index, name) in transitive.iter().enumerate() {
            if !tags.contains_key(name) {
                return Err(DefinitionError::Transitive(name.clone()));
            }
            if transitive[..index].contains(name) {
                return Err(DefinitionError::Twice(name.clone()));
            }
        }
        let tags = tags.iter().map(|(name, claim)| (name.clone(), claim.clone())).collect();
        Ok(Self { tags, transitive: transitive.clone() })
    }

    /// The claims that give the tags their values.
    pub(super) fn claims(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().map(|(_, claim)| claim.as_str())
    }

    /// The claim with the tags whose claims the run has; `None` if it has none of them.
    pub(super) fn claim(&self, claims: &Map<String, Value>) -> Result<Option<Value>, ShapeError> {
        let mut principal_tags = Map::new();
        for (name, claim) in &self.tags {
            let Some(value) = claims.get(claim) else { continue };
            let value = value.as_str().filter(|value| is_tag_value(value));
            let value =
                value.ok_or_else(|| ShapeError::TagValue { tag: name.clone(), claim: claim.clone() })?;
            // AWS accepts an array of one value, but not plain text.
            principal_tags.insert(name.clone(), json!([value]));
        }
        if principal_tags.is_empty() {
            return Ok(None);
        }
        let transitive: Vec<&String> =
            self.transitive.iter().filter(|name| principal_tags.contains_key(*name)).collect();
        let mut claim = json!({ "principal_tags": principal_tags });
        if !transitive.is_empty() {
            claim["transitive_tag_keys"] = json!(transitive);
        }
        Ok(Some(claim))
    }
}

/// The value of `claim`, if the run has it.
pub(super) fn source_identity(claim: &str, claims: &Map<String, Value>) -> Result<Option<Value>, ShapeError> {
    let Some(value) = claims.get(claim) else { return Ok(None) };
    let value = value.as_str().filter(|value| is_source_identity(value));
    let value = value.ok_or_else(|| ShapeError::SourceIdentity { claim: claim.to_owned() })?;
    Ok(Some(value.into()))
}

fn is_tag_name(text: &str) -> bool {
    (1..=MAX_TAG_NAME_CHARS).contains(&text.chars().count())
        && text.chars().all(is_tag_character)
        && text.trim() == text
        && !is_reserved(text)
}

fn is_tag_value(text: &str) -> bool {
    text.chars().count() <= MAX_TAG_VALUE_CHARS && text.chars().all(is_tag_character)
}

/// AWS: `[\p{L}\p{Z}\p{N}_.:/=+\-@]`. Of the separators only the space is accepted: the others only look like
/// one.
fn is_tag_character(c: char) -> bool {
    c.is_alphanumeric() || " _.:/=+-@".contains(c)
}

fn is_source_identity(text: &str) -> bool {
    (2..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
        && !is_reserved(text)
}

fn is_reserved(text: &str) -> bool {
    text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}
