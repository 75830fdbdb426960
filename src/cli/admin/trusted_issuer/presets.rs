//! Presets on the command line.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::terminal::arguments::attribute;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::table::{fields, indented};
use crate::issuer::organization_name::OrganizationName;
use crate::trust::preset::{FilledPreset, Preset, PresetGrant, PresetInputs};

#[derive(Args)]
pub(super) struct PresetFlags {
    /// Take URL and policies from a preset; --list-presets lists them
    #[arg(long, value_name = "PRESET")]
    pub(super) preset: Option<String>,
    /// A value that the preset needs; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = attribute, requires = "preset")]
    values: Vec<(String, String)>,
    /// The repository, for --preset github: short for --set repo=OWNER/NAME
    #[arg(long, value_name = "OWNER/NAME", requires = "preset")]
    repo: Option<String>,
    /// The audience of its tokens [default: the preset's]
    #[arg(long, requires = "preset")]
    audience: Option<String>,
    /// Exchange its tokens for an owner's [default: an orchestrator's]
    #[arg(long, requires = "preset", group = "grant")]
    admin: bool,
    /// Exchange its tokens for this team's
    #[arg(long, requires = "preset", group = "grant")]
    team: Option<String>,
    /// Exchange its tokens for this user's
    #[arg(long, requires = "preset", group = "grant")]
    user: Option<String>,
    /// Exchange its tokens for this runner's
    #[arg(long, requires = "preset", group = "grant")]
    runner: Option<String>,
}

impl PresetFlags {
    /// The preset, if one is named, filled in with these flags.
    pub(super) fn fill(
        &self,
        org: &OrganizationName,
        url: Option<&str>,
    ) -> Result<Option<FilledPreset>, Failure> {
        let Some(name) = &self.preset else { return Ok(None) };
        let inputs = PresetInputs {
            organization: org.to_string(),
            url: url.map(str::to_owned),
            audience: self.audience.clone(),
            values: self.values()?,
            grant: self.grant(),
        };
        let filled = Preset::named(name).and_then(|preset| preset.fill(&inputs));
        filled.map(Some).map_err(Failure::usage)
    }

    fn values(&self) -> Result<BTreeMap<String, String>, Failure> {
        let repo = self.repo.iter().map(|repo| ("repo".to_owned(), repo.clone()));
        let mut values = BTreeMap::new();
        for (key, value) in self.values.iter().cloned().chain(repo) {
            if values.insert(key.clone(), value).is_some() {
                return Err(Failure::usage(format!("`{key}` is given twice")));
            }
        }
        Ok(values)
    }

    fn grant(&self) -> PresetGrant {
        match (&self.team, &self.user, &self.runner) {
            (Some(name), _, _) => PresetGrant::Team(name.clone()),
            (_, Some(name), _) => PresetGrant::Personal(name.clone()),
            (_, _, Some(name)) => PresetGrant::Runner(name.clone()),
            _ => PresetGrant::Organization { admin: self.admin },
        }
    }
}

pub(super) fn all() -> Value {
    let one = |preset: Preset| {
        let inputs: Vec<_> = preset.inputs().collect();
        json!({"preset": preset.key(), "title": preset.title(), "url_hint": preset.url_hint(), "inputs": inputs})
    };
    json!({"presets": Preset::all().map(one).collect::<Vec<_>>()})
}

/// A paragraph for each preset: its inputs, and how to find the URL if the preset has none.
pub(super) fn described() -> String {
    let paragraph = |preset: Preset| {
        let hint = preset.url_hint().map(|hint| ("--url", hint.to_owned()));
        let inputs = preset.inputs().map(|input| (input.name, input.help.to_owned()));
        let rows: Vec<_> = hint.into_iter().chain(inputs).collect();
        format!("{}: {}\n{}", preset.key(), preset.title(), indented(&fields(&rows)))
    };
    Preset::all().map(paragraph).collect::<Vec<_>>().join("\n")
}
