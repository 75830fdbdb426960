//! `runmint logout`

use clap::Args;
use serde_json::json;

use crate::cli::api::saved_logins::Credentials;
use crate::cli::api::server_url::ServerUrl;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, remark};

/// Delete the login saved for a server
///
/// Removes the file with the access token from this machine. The token itself works until it expires or an
/// owner revokes it.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint logout                            the last login
  runmint logout https://id.example.com")]
pub(in crate::cli) struct Logout {
    /// The server's base URL [default: that of the last login]
    #[arg(env = "RUNMINT_URL")]
    url: Option<String>,
}

impl Logout {
    pub(in crate::cli) fn execute(self, output: Format) -> Result<(), Failure> {
        let logins = Credentials::required()?;
        let server = match self.url {
            Some(url) => ServerUrl::parse(&url)?,
            None => logins.current()?.ok_or_else(|| Failure::usage("no login is saved"))?,
        };
        let existed = logins.forget(&server)?;
        output::print(output, &json!({"server": server.as_str(), "logged_out": existed}), |_| {
            if existed {
                format!("Logged out of {server}.\n")
            } else {
                let current =
                    logins.current().ok().flatten().filter(|other| other.as_str() != server.as_str());
                let hint = current.map(|other| format!(" One is saved for {other}: runmint logout {other}"));
                format!("No login was saved for {server}.{}\n", hint.unwrap_or_default())
            }
        })?;
        if existed {
            remark(output, "The token itself works until it expires or an owner revokes it.");
        }
        Ok(())
    }
}
