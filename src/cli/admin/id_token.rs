//! `runmint id-token`

use std::io::{IsTerminal, stdout};

use clap::Args;
use reqwest::Url;
use serde_json::json;

use crate::cli::api::client::Client;
use crate::cli::terminal::arguments::duration;
use crate::cli::terminal::environment::variable;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, safe};
use crate::config::duration::TextDuration;

/// Inside a run: get its ID token
///
/// Asks with RUNMINT_ID_TOKEN_REQUEST_URL and RUNMINT_ID_TOKEN_REQUEST_TOKEN, which `runmint run start`
/// prints; where they are not set, with ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN.
/// Each call gets a new token. Nothing but the token is printed, on a terminal with a line break.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint id-token --audience sts.amazonaws.com > token.jwt
  runmint id-token --audience api://AzureADTokenExchange --lifetime 10m | runmint inspect -")]
pub(in crate::cli) struct IdToken {
    /// Whom the token is for [default: the organization's name]
    #[arg(long)]
    audience: Option<String>,
    /// How long it shall be valid, e.g. 10m [default: as the server is configured]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    lifetime: Option<TextDuration>,
}

impl IdToken {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let (url, request_token) = request_of_the_run()?;
        let url = self.request(&url)?;
        let answer = Client::at(&url, Some(request_token))?.get(&url).await?;
        let token = answer["value"].as_str();
        let token =
            token.ok_or_else(|| Failure::failed("the answer holds no token: is this the right URL?"))?;
        output::print(output, &json!({"id_token": token}), |_| {
            let end = if stdout().is_terminal() { "\n" } else { "" };
            format!("{}{end}", safe(token))
        })
    }

    /// The URL that the run got, with what is asked for appended.
    fn request(&self, url: &str) -> Result<String, Failure> {
        let mut url =
            Url::parse(url).map_err(|error| Failure::usage(format!("the request URL is no URL: {error}")))?;
        let lifetime = self.lifetime.map(|TextDuration(lifetime)| lifetime.as_secs().to_string());
        let asked = [("audience", self.audience.as_deref()), ("lifetime_seconds", lifetime.as_deref())];
        for (name, value) in asked {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        Ok(url.into())
    }
}

/// URL and token with which the run around us asks for its tokens.
pub(in crate::cli) fn request_of_the_run() -> Result<(String, String), Failure> {
    if let Some(pair) = pair("RUNMINT")? {
        return Ok(pair);
    }
    pair("ACTIONS")?.ok_or_else(|| {
        Failure::usage(
            "this is not inside a run: neither RUNMINT_ID_TOKEN_REQUEST_URL nor ACTIONS_ID_TOKEN_REQUEST_URL \
             is set. `runmint run start` prints what the runner needs",
        )
    })
}

/// URL and token of one family of variables. One without the other is a mistake, not an absence.
fn pair(family: &str) -> Result<Option<(String, String)>, Failure> {
    let names = [format!("{family}_ID_TOKEN_REQUEST_URL"), format!("{family}_ID_TOKEN_REQUEST_TOKEN")];
    let missing = |name: &str| Failure::usage(format!("{name} is not set, though its companion is"));
    match (variable(&names[0]), variable(&names[1])) {
        (Some(url), Some(token)) => Ok(Some((url, token))),
        (Some(_), None) => Err(missing(&names[1])),
        (None, Some(_)) => Err(missing(&names[0])),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_appended_encoded() {
        let ask = IdToken { audience: Some("api://a b&c".into()), lifetime: TextDuration::parse("10m") };
        assert_eq!(
            ask.request("https://id.example.com/api/runs/1/id-token?api-version=1").unwrap(),
            "https://id.example.com/api/runs/1/id-token?api-version=1&audience=api%3A%2F%2Fa+b%26c&lifetime_seconds=600"
        );
        let plain = IdToken { audience: None, lifetime: None };
        assert_eq!(plain.request("https://x.example/t?a=1").unwrap(), "https://x.example/t?a=1");
        assert!(plain.request("x").is_err());
    }
}
