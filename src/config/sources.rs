//! Where settings come from: flags over `RUNMINT_*` variables over a TOML file.

use secrecy::SecretString;

use super::database::has_password;
use super::error::{ConfigError, value_error};
use super::keys::KeySecrets;
use super::raw::Raw;
use super::setting::{SETTINGS, Setting};
use super::variables::{
    OLD_SEALING_KEYS_VARIABLE, OTHER_VARIABLES, PKCS11_PIN_VARIABLE, SEALING_KEY_VARIABLE,
    TIME_SCALE_VARIABLE,
};

/// The sources of the settings, gathered before any is read.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file's name and text.
    pub file: Option<(String, String)>,
    /// `RUNMINT_*` variables, and those of object stores.
    pub environment: Vec<(String, String)>,
    /// Flags, by setting name.
    pub flags: Vec<(String, String)>,
}

impl Sources {
    /// Whether any of them sets this setting.
    pub fn mention(&self, setting: &Setting) -> bool {
        let variable = setting.variable();
        self.flags.iter().any(|(name, _)| name == setting.name)
            || self.environment.iter().any(|(name, _)| *name == variable)
            || file_table(self).is_ok_and(|table| table.contains_key(setting.name))
    }

    /// The settings of all sources, and the secrets of the environment.
    pub(super) fn read(&self) -> Result<(Raw, KeySecrets), ConfigError> {
        let mut table = file_table(self)?;
        let mut secrets = KeySecrets::default();
        for (variable, value) in &self.environment {
            let secret = || Some(SecretString::from(value.as_str()));
            if !variable.starts_with("RUNMINT_") {
                secrets.of_object_stores.push((variable.clone(), value.as_str().into()));
            } else if variable == SEALING_KEY_VARIABLE {
                secrets.sealing_key = secret();
            } else if variable == OLD_SEALING_KEYS_VARIABLE {
                secrets.old_sealing_keys = secret();
            } else if variable == PKCS11_PIN_VARIABLE {
                secrets.pkcs11_pin = secret();
            } else if variable == TIME_SCALE_VARIABLE {
                secrets.time_scale = Some(value.clone());
            } else if let Some(setting) = SETTINGS.iter().find(|setting| setting.variable() == *variable) {
                table.insert(setting.name.into(), alone(setting, variable, value)?);
            } else if !OTHER_VARIABLES.contains(&variable.as_str()) && !variable.starts_with("RUNMINT_TEST_")
            {
                let suggestion = Setting::closest(&variable.to_lowercase().replacen("runmint_", "", 1));
                let suggestion = suggestion.map(Setting::variable);
                return Err(ConfigError::Unknown { origin: variable.clone(), suggestion });
            }
        }
        for (name, value) in &self.flags {
            let Some(setting) = SETTINGS.iter().find(|setting| setting.name == *name) else { continue };
            if name == "database_url" && has_password(value) {
                let why = "a password on the command line can be read by every user of the machine; use RUNMINT_DATABASE_URL or the configuration file";
                return Err(value_error("--database-url", why));
            }
            table.insert(setting.name.into(), alone(setting, &setting.flag(), value)?);
        }
        let file = self.file.as_ref().map_or("configuration", |(name, _)| name);
        add_defaults(&mut table);
        let raw: Raw = table.try_into().map_err(|error: toml::de::Error| ConfigError::File {
            path: file.to_owned(),
            why: one_line(&error),
        })?;
        Ok((raw, secrets))
    }
}

/// The value of one variable or flag, tried by itself so that an error names its origin.
fn alone(setting: &Setting, origin: &str, text: &str) -> Result<toml::Value, ConfigError> {
    let value = setting.parse(origin, text)?;
    let mut table = toml::Table::from_iter([(setting.name.to_owned(), value.clone())]);
    add_defaults(&mut table);
    match table.try_into::<Raw>() {
        Ok(_) => Ok(value),
        Err(error) => Err(value_error(origin, &error.message().replace('\n', " "))),
    }
}

fn add_defaults(table: &mut toml::Table) {
    for setting in SETTINGS {
        if let Some(default) = setting.default_value() {
            table.entry(setting.name).or_insert(default);
        }
    }
}

fn file_table(sources: &Sources) -> Result<toml::Table, ConfigError> {
    let Some((path, text)) = &sources.file else { return Ok(toml::Table::new()) };
    let table: toml::Table = toml::from_str(text)
        .map_err(|error| ConfigError::File { path: path.clone(), why: without_quoting(&error, text) })?;
    for name in table.keys() {
        if !["services", "algorithms"].contains(&name.as_str())
            && !SETTINGS.iter().any(|setting| setting.name == name)
        {
            let suggestion = Setting::closest(name).map(|setting| setting.name.to_owned());
            return Err(ConfigError::Unknown { origin: format!("{path}: {name}"), suggestion });
        }
    }
    Ok(table)
}

/// The line number and the reason, but not the line itself, which may contain a password.
fn without_quoting(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map(|before| format!("line {}: ", before.matches('\n').count() + 1));
    line.unwrap_or_default() + &error.message().replace('\n', " ")
}

fn one_line(error: &toml::de::Error) -> String {
    error.to_string().lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
