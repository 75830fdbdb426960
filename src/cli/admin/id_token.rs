//! `runmint id-token`

use std::io::{IsTerminal, stdout};

use clap::Args;
use reqwest::Url;
use serde_json::json;
use zeroize::Zeroizing;

use crate::api;
use crate::cli::api::client::Client;
use crate::cli::terminal::arguments::duration;
use crate::cli::terminal::environment::variable;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, safe};
use crate::config::duration::TextDuration;

/// Inside a run: get its ID token
///
/// Uses RUNMINT_ID_TOKEN_REQUEST_URL and RUNMINT_ID_TOKEN_REQUEST_TOKEN, which `runmint run start` prints, or
/// else ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN. Each call gets a new token. Only the
/// token is printed, on a terminal followed by a line break.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint id-token --audience sts.amazonaws.com > token.jwt
  runmint id-token --audience api://AzureADTokenExchange --lifetime 10m | runmint inspect -")]
pub(in crate::cli) struct IdToken {
    /// The token's audience [default: the organization's name]
    #[arg(long)]
    audience: Option<String>,
    /// The token's lifetime, e.g. 10m [default: the server's setting]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    lifetime: Option<TextDuration>,
}

impl IdToken {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let (url, request_token) = request_of_the_run()?;
        let url = self.request(&url)?;
        let answer = Client::at(&url, Some(request_token))?.get::<api::id_token::IdToken>(&url).await?;
        let token = answer.parsed.value;
        output::print(output, &json!({"id_token": token}), |_| {
            let end = if stdout().is_terminal() { "\n" } else { "" };
            format!("{}{end}", safe(&token))
        })
    }

    /// The run's request URL with these flags appended.
    fn request(&self, url: &str) -> Result<String, Failure> {
        let mut url = Url::parse(url)
            .map_err(|error| Failure::usage(format!("the request URL is not valid: {error}")))?;
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

/// URL and token with which the surrounding run asks for its tokens.
pub(in crate::cli) fn request_of_the_run() -> Result<(String, Zeroizing<String>), Failure> {
    if let Some(pair) = pair("RUNMINT")? {
        return Ok(pair);
    }
    pair("ACTIONS")?.ok_or_else(|| {
        Failure::usage(
            "could not ask for a token: this is not inside a run. Neither RUNMINT_ID_TOKEN_REQUEST_URL nor \
             ACTIONS_ID_TOKEN_REQUEST_URL is set; `runmint run start` prints the runner's environment",
        )
    })
}

/// URL and token of one family of variables. One without the other is a mistake.
fn pair(family: &str) -> Result<Option<(String, Zeroizing<String>)>, Failure> {
    let names = [format!("{family}_ID_TOKEN_REQUEST_URL"), format!("{family}_ID_TOKEN_REQUEST_TOKEN")];
    let missing = |name: &str| Failure::usage(format!("{name} is not set, but its companion is; set both"));
    match (variable(&names[0]), variable(&names[1])) {
        (Some(url), Some(token)) => Ok(Some((url, Zeroizing::new(token)))),
        (Some(_), None) => Err(missing(&names[1])),
        (None, Some(_)) => Err(missing(&names[0])),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_appended_encoded() {
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
