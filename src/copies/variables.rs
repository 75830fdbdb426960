//! The environment variables that configure one kind of store.

use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};

use crate::copies::failure::PublishError;

/// The ends of the names of variables with JSON or PEM.
const OF_SEVERAL_LINES: [&str; 2] = ["SERVICE_ACCOUNT_KEY", "PROXY_CA_CERTIFICATE"];

pub(super) struct Variables<'a> {
    of_this_store: Vec<(&'a str, &'a str)>,
}

impl<'a> Variables<'a> {
    /// Those whose names start with `prefix`. An empty one counts as unset, as in the clouds' own tools.
    pub(super) fn parse(
        prefix: &str,
        environment: &'a [(String, SecretString)],
    ) -> Result<Self, PublishError> {
        let of_this_store: Vec<_> = environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose_secret()))
            .filter(|(name, value)| name.starts_with(prefix) && !value.is_empty())
            .collect();
        for (name, value) in &of_this_store {
            if let Some(why) = refusal(name, value) {
                return Err(PublishError::Variable { variable: (*name).to_owned(), why });
            }
        }
        Ok(Self { of_this_store })
    }

    /// Those that name an option of the store. Others share the prefix, such as `AWS_PAGER`.
    pub(super) fn options<Key: FromStr>(&self) -> impl Iterator<Item = (Key, &'a str)> {
        let option =
            |(name, value): &(&str, &'a str)| Some((name.to_ascii_lowercase().parse().ok()?, *value));
        self.of_this_store.iter().filter_map(option)
    }
}

fn refusal(name: &str, value: &str) -> Option<&'static str> {
    if name.ends_with("ALLOW_INVALID_CERTIFICATES") {
        return Some(
            "is not accepted: an attacker who impersonates the store could publish keys of their own",
        );
    }
    // The store's client panics on credentials that are not a valid header.
    let sendable = !value.chars().any(char::is_control);
    let several_lines = OF_SEVERAL_LINES.iter().any(|end| name.ends_with(end));
    (!sendable && !several_lines).then_some("has a line break or another character that cannot be sent")
}
