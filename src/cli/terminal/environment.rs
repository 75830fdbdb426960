//! The environment of the process, which only this file reads.

use secrecy::SecretString;

/// Our own variables, and those that say how to reach the object stores of static copies.
const PREFIXES: &[&str] = &["RUNMINT_", "AWS_", "GOOGLE_", "AZURE_"];

/// A variable that is set and not empty.
#[expect(clippy::disallowed_methods, reason = "the one place of the command line that reads its environment")]
pub(in crate::cli) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The variables that say how to reach object stores.
pub(in crate::cli) fn object_store_environment() -> Vec<(String, SecretString)> {
    let of_stores = environment().into_iter().filter(|(name, _)| !name.starts_with("RUNMINT_"));
    of_stores.map(|(name, value)| (name, value.into())).collect()
}

pub(in crate::cli) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let known = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            known.then(|| (name, value.to_string_lossy().into_owned()))
        })
        .collect()
}
