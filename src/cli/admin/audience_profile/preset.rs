//! `runmint audience-profile preset`

use clap::Args;
use serde_json::json;

use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{Format, print_text, remark};
use crate::issuer::profile::presets::presets;

/// Print a profile to start from, as a document for `set`
///
/// No preset is in force by itself. Without a name, lists the presets.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint audience-profile preset
  runmint audience-profile preset google
  runmint audience-profile preset vault --audience https://vault.example.com")]
pub(in crate::cli) struct Preset {
    /// aws, aws-session-tags, azure, google, vault or kubernetes
    name: Option<String>,
    /// The audience of the profile [default: the preset's]
    #[arg(long)]
    audience: Option<String>,
}

impl Preset {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let presets = presets();
        let Some(name) = self.name else {
            let lines = presets.iter().map(|(name, preset)| format!("{name}\n  {}\n", preset.why));
            return print_text(&lines.collect::<String>());
        };
        let Some(preset) = presets.get(&name) else {
            let known: Vec<&str> = presets.keys().map(String::as_str).collect();
            return Err(Failure::usage(format!(
                "`{name}` is not a preset; the presets are: {}",
                known.join(", ")
            )));
        };
        let audience = self.audience.as_ref().unwrap_or(&preset.audience);
        let document = json!({"profiles": {audience.as_str(): preset.profile}});
        print_text(&format!("{document:#}\n"))?;
        remark(Format::Text, &preset.why);
        Ok(())
    }
}
