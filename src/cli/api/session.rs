//! Which server commands use, and as whom.

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::cli::api::client::Client;
use crate::cli::api::saved_logins::{Credential, Credentials};
use crate::cli::api::server_url::ServerUrl;
use crate::cli::terminal::environment::variable;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::span::from_now;
use crate::clock::{Clock, SystemClock};

/// Variables that take precedence over every login.
const VARIABLES: [&str; 2] = ["RUNMINT_ACCESS_TOKEN", "RUNMINT_ACCESS_TOKEN_FILE"];

pub(in crate::cli) struct Session {
    pub(in crate::cli) url: String,
    pub(in crate::cli) access_token: Zeroizing<String>,
    /// For people.
    pub(in crate::cli) found_in: &'static str,
}

impl Session {
    /// `RUNMINT_ACCESS_TOKEN`, or the file that `RUNMINT_ACCESS_TOKEN_FILE` names, or the login at the
    /// server of `RUNMINT_URL`, or the last login.
    pub(in crate::cli) fn find() -> Result<Self, Failure> {
        let url = variable("RUNMINT_URL");
        if let Some((access_token, found_in)) = of_variables()? {
            let url = url.ok_or_else(no_url)?;
            return Ok(Self { url, access_token, found_in });
        }
        let logins = Credentials::from_environment();
        let server = match (url, &logins) {
            (Some(url), _) => ServerUrl::parse(&url)?,
            (None, Some(logins)) => logins.current()?.ok_or_else(no_url)?,
            (None, None) => return Err(no_url()),
        };
        let login = logins.as_ref().map(|logins| logins.of(&server)).transpose()?.flatten();
        let login = login.ok_or_else(|| {
            Failure::usage(format!(
                "RUNMINT_ACCESS_TOKEN is not set and no login is saved for {server}: set it (or RUNMINT_ACCESS_TOKEN_FILE to a file with an access token), or run `runmint login {server}`"
            ))
        })?;
        refuse_expired(&server, &login, SystemClock.now())?;
        Ok(Self { url: server.to_string(), access_token: login.access_token, found_in: "runmint login" })
    }

    pub(in crate::cli) fn client(&self) -> Result<Client, Failure> {
        Client::at(&self.url, Some(self.access_token.clone()))
    }
}

impl Client {
    /// The server and the identity that variables or a saved login name; see [`Session::find`].
    pub(in crate::cli) fn from_environment() -> Result<Self, Failure> {
        Session::find()?.client()
    }
}

/// A variable that is set and takes precedence over every login.
pub(in crate::cli) fn overriding_variable() -> Option<&'static str> {
    VARIABLES.into_iter().find(|name| variable(name).is_some())
}

fn of_variables() -> Result<Option<(Zeroizing<String>, &'static str)>, Failure> {
    let [itself, file] = VARIABLES;
    if let Some(token) = variable(itself) {
        return Ok(Some((Zeroizing::new(token), itself)));
    }
    let Some(path) = variable(file) else { return Ok(None) };
    let text = std::fs::read_to_string(&path).map(Zeroizing::new);
    let text = text.map_err(|error| Failure::usage(format!("could not read {file} {path}: {error}")))?;
    Ok(Some((Zeroizing::new(text.trim().to_owned()), file)))
}

fn no_url() -> Failure {
    Failure::usage(
        "RUNMINT_URL is not set and no login is saved: set it to the server's base URL, such as https://id.example.com, or run `runmint login URL`",
    )
}

fn refuse_expired(server: &ServerUrl, login: &Credential, now: Timestamp) -> Result<(), Failure> {
    match login.expires_at {
        Some(end) if end <= now => {
            let ended = from_now(end, now);
            Err(Failure::failed(format!("the login expired {ended}; log in again: runmint login {server}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_ends_with_its_token() {
        let server = ServerUrl::parse("https://id.example.com").unwrap();
        let now: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
        let login = |expires_at: Option<&str>| Credential {
            access_token: Zeroizing::default(),
            expires_at: expires_at.map(|text| text.parse().unwrap()),
        };
        assert!(refuse_expired(&server, &login(None), now).is_ok());
        assert!(refuse_expired(&server, &login(Some("2026-11-21T09:00:01Z")), now).is_ok());
        let refused = refuse_expired(&server, &login(Some("2026-11-21T08:55:00Z")), now).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the login expired 5 min ago; log in again: runmint login https://id.example.com"
        );
    }
}
