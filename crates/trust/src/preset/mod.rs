//! Common issuers, ready to register: name, URL and policies with the claims that their tokens have. `presets.toml`
//! holds all the data.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::pattern::Syntax;
use super::policy::{Decision, Entries, PermissionsDocument, Policy, PolicyDocument, PolicyError, TokenType};

static PRESETS: LazyLock<IndexMap<String, Definition>> =
    LazyLock::new(|| toml::from_str(include_str!("presets.toml")).expect("the presets parse"));

/// A kind of issuer: `github`, `gitlab`, `kubernetes`, `eks`, `gke`, `aks`, `azure-devops`, `circleci` or
/// `buildkite`.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    key: &'static str,
    definition: &'static Definition,
}

/// The inputs of a preset.
#[derive(Clone, Debug)]
pub struct PresetInputs {
    /// The organization that registers the issuer. The default audience names it.
    pub organization: String,
    /// The issuer's URL, if it is not the preset's.
    pub url: Option<String>,
    /// The audience that runners request tokens for, if it is not the preset's.
    pub audience: Option<String>,
    /// By name, as [`Preset::inputs`] lists them.
    pub values: BTreeMap<String, String>,
    /// What the tokens may become. The preset adds the rules.
    pub grant: PresetGrant,
}

/// Everything of a policy but its rules; see [`PolicyDocument`] for each.
#[derive(Clone, Debug)]
pub enum PresetGrant {
    Organization { admin: bool },
    Team(String),
    Personal(String),
    Runner(String),
}

/// An issuer to register and its policies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FilledPreset {
    pub name: String,
    pub url: String,
    pub policies: Vec<Policy>,
}

/// An input of a preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Input {
    pub name: &'static str,
    pub help: &'static str,
}

/// Why a preset cannot be filled in.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PresetError {
    #[error("preset `{name}` does not exist; use one of {known}")]
    Unknown { name: String, known: String },
    #[error("`{name}` is not an input of preset `{preset}`; use {known}")]
    UnknownInput { preset: &'static str, name: String, known: String },
    #[error("preset `{preset}` needs {inputs}")]
    Missing { preset: &'static str, inputs: String },
    #[error("preset `{preset}` needs `--url` with the exact URL of the issuer: {hint}")]
    NoUrl { preset: &'static str, hint: &'static str },
    #[error("`{input}` is empty")]
    Empty { input: String },
    #[error("`{input}` has the wildcard `{wildcard}`; to use a wildcard, edit the policies afterwards")]
    Wildcard { input: String, wildcard: char },
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    name: String,
    url: Option<String>,
    url_hint: Option<String>,
    default_audience: Option<String>,
    /// Each with its alternatives, separated by ` | `.
    required: Vec<String>,
    allow: Vec<(String, String)>,
    #[serde(default)]
    deny: Vec<(String, String)>,
    inputs: IndexMap<String, String>,
}

impl Preset {
    /// Fails with [`PresetError::Unknown`].
    pub fn named(name: &str) -> Result<Self, PresetError> {
        match PRESETS.get_key_value(name) {
            Some((key, definition)) => Ok(Self { key, definition }),
            None => Err(PresetError::Unknown { name: name.to_owned(), known: listed(PRESETS.keys()) }),
        }
    }

    /// In the order of the data.
    pub fn all() -> impl Iterator<Item = Self> {
        PRESETS.iter().map(|(key, definition)| Self { key, definition })
    }

    /// The name that [`Preset::named`] takes.
    pub fn key(self) -> &'static str {
        self.key
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        &self.definition.name
    }

    /// How to find the issuer's URL, if the preset does not have it.
    pub fn url_hint(self) -> Option<&'static str> {
        self.definition.url_hint.as_deref()
    }

    /// The inputs of [`PresetInputs::values`].
    pub fn inputs(self) -> impl Iterator<Item = Input> {
        self.definition.inputs.iter().map(|(name, help)| Input { name, help })
    }

    /// The issuer and its policies, which allow the workloads that the inputs name and no others.
    ///
    /// Fails if an input is missing, unknown, empty or has a wildcard.
    pub fn fill(self, inputs: &PresetInputs) -> Result<FilledPreset, PresetError> {
        let mut values = self.check_values(&inputs.values)?;
        values.insert("organization".to_owned(), literal("organization", &inputs.organization)?);
        let url = match &inputs.url {
            Some(url) => url.clone(),
            None => self.url(&values)?,
        };
        let audience = match &inputs.audience {
            Some(audience) => literal("audience", audience)?,
            None => self.audience(&values)?,
        };
        values.insert("audience".to_owned(), audience);
        let allowed = inputs.grant.policy(Decision::Allow, rules(&self.definition.allow, &values))?;
        let mut policies = vec![allowed];
        if !self.definition.deny.is_empty() {
            policies.push(inputs.grant.policy(Decision::Deny, rules(&self.definition.deny, &values))?);
        }
        Ok(FilledPreset { name: self.definition.name.clone(), url, policies })
    }

    fn check_values(self, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, PresetError> {
        let mut values = BTreeMap::new();
        for (name, value) in given {
            if !self.definition.inputs.contains_key(name) {
                let known = listed(self.definition.inputs.keys());
                return Err(PresetError::UnknownInput { preset: self.key, name: name.clone(), known });
            }
            values.insert(name.clone(), literal(name, value)?);
        }
        for alternatives in &self.definition.required {
            if !alternatives.split(" | ").any(|name| values.contains_key(name)) {
                let inputs = alternatives.replace(" | ", " or ");
                return Err(PresetError::Missing { preset: self.key, inputs });
            }
        }
        Ok(values)
    }

    fn url(self, values: &BTreeMap<String, String>) -> Result<String, PresetError> {
        let filled = self.definition.url.as_deref().and_then(|template| fill(template, values));
        let hint = self.url_hint().unwrap_or_default();
        filled.ok_or(PresetError::NoUrl { preset: self.key, hint })
    }

    fn audience(self, values: &BTreeMap<String, String>) -> Result<String, PresetError> {
        let template =
            self.definition.default_audience.as_deref().unwrap_or("urn:runmint:org:{organization}");
        fill(template, values)
            .ok_or_else(|| PresetError::Missing { preset: self.key, inputs: "audience".to_owned() })
    }
}

impl PresetGrant {
    fn policy(&self, decision: Decision, rules: Vec<(String, String)>) -> Result<Policy, PolicyError> {
        let mut document = PolicyDocument {
            decision,
            token_type: TokenType::Organization,
            team_name: None,
            user_login: None,
            runner_id: None,
            role_id: None,
            authorized_permissions: PermissionsDocument::List(Vec::new()),
            syntax: Syntax::Strict,
            run: None,
            rules: Entries(rules),
        };
        match self {
            // A denial is for all tokens of the organization, an admin's or not.
            Self::Organization { admin } if *admin && decision == Decision::Allow => {
                document.authorized_permissions = PermissionsDocument::List(vec!["admin".to_owned()]);
            }
            Self::Organization { .. } => {}
            Self::Team(name) => {
                (document.token_type, document.team_name) = (TokenType::Team, Some(name.clone()));
            }
            Self::Personal(name) => {
                (document.token_type, document.user_login) = (TokenType::Personal, Some(name.clone()));
            }
            Self::Runner(name) => {
                (document.token_type, document.runner_id) = (TokenType::Runner, Some(name.clone()));
            }
        }
        Policy::try_from(document)
    }
}

/// The rules whose inputs are all given, and the first for each claim.
fn rules(templates: &[(String, String)], values: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let mut rules = IndexMap::new();
    for (claim, template) in templates {
        if let Some(pattern) = fill(template, values) {
            rules.entry(claim.clone()).or_insert(pattern);
        }
    }
    rules.into_iter().collect()
}

/// `template` with each `{name}` replaced by its value, and `{name?text}` by the text; `None` if a value is missing.
fn fill(template: &str, values: &BTreeMap<String, String>) -> Option<String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (placeholder, after) = after.split_once('}').expect("the presets close their braces");
        filled.push_str(before);
        match placeholder.split_once('?') {
            Some((name, text)) => {
                values.get(name)?;
                filled.push_str(text);
            }
            None => filled.push_str(values.get(placeholder)?),
        }
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

/// A value that is literal in a pattern.
fn literal(input: &str, value: &str) -> Result<String, PresetError> {
    let input = input.to_owned();
    if value.is_empty() {
        return Err(PresetError::Empty { input });
    }
    match value.chars().find(|character| matches!(character, '*' | '?')) {
        Some(wildcard) => Err(PresetError::Wildcard { input, wildcard }),
        None => Ok(value.to_owned()),
    }
}

fn listed<'n>(names: impl Iterator<Item = &'n String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
