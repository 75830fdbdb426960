//! The server's settings on the command line: a flag for each, from the table that defines file keys and
//! variables, too.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::cli::terminal::environment::environment;
use crate::cli::terminal::failure::Failure;
use crate::config::setting::{Kind, SETTINGS};
use crate::config::{Settings, Sources};

/// `--config` and a flag for every setting.
pub(in crate::cli) struct SettingFlags {
    config: Option<PathBuf>,
    flags: Vec<(String, String)>,
}

impl SettingFlags {
    /// The settings from file, environment and flags.
    pub(in crate::cli) fn load(&self) -> Result<Settings, Failure> {
        Ok(Settings::load(&self.sources()?)?)
    }

    /// Their sources, read but not yet parsed.
    pub(in crate::cli) fn sources(&self) -> Result<Sources, Failure> {
        let environment = environment();
        let file = match &self.config {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Failure::configuration(format!(
                        "could not read the configuration {}: {error}",
                        path.display()
                    ))
                })?;
                Some((path.display().to_string(), text))
            }
        };
        Ok(Sources { file, environment, flags: self.flags.clone() })
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .env("RUNMINT_CONFIG")
            .help("TOML file with settings; RUNMINT_* variables and flags override it");
        SETTINGS.iter().fold(command.arg(config), |command, setting| {
            let help = match setting.default {
                "" => setting.help.to_owned(),
                default => format!("{} [default: {default}]", setting.help),
            };
            let arg = Arg::new(setting.name).long(setting.name.replace('_', "-")).help(help);
            command.arg(match setting.kind {
                Kind::Switch => arg.action(ArgAction::SetTrue),
                Kind::Count => arg.value_name("N"),
                Kind::Text => arg.value_name("VALUE"),
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flags = SETTINGS
            .iter()
            .filter(|setting| matches.value_source(setting.name) == Some(ValueSource::CommandLine))
            .filter_map(|setting| {
                let value = match setting.kind {
                    Kind::Switch => "true".to_owned(),
                    Kind::Text | Kind::Count => matches.get_one::<String>(setting.name)?.clone(),
                };
                Some((setting.name.to_owned(), value))
            })
            .collect();
        Ok(Self { config: matches.get_one("config").cloned(), flags })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
