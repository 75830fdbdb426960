//! `runmint inspect`

pub(in crate::cli) mod check;
mod checks;
mod claims;
mod published;
mod report;

use std::io::{Read, stdin};

use clap::Args;
use serde_json::{Map, Value};

use self::checks::Evidence;
use self::published::Published;
use self::report::Report;
use crate::cli::api::foreign_token::part;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format};
use crate::clock::{Clock, SystemClock};
use crate::issuer::url::IssuerUrl;
use crate::trust::token::UnverifiedToken;
use crate::trust::token::limits::MAX_TOKEN_BYTES;

/// Decode an ID token, verify it, and report every check
///
/// Fetches the discovery document and the key set of the issuer that the token names, as a cloud does.
/// Does not contact it when --issuer expects another, nor with --offline.
#[derive(Args)]
#[command(after_help = "Give the token on standard input: other users of this machine can read arguments.

Examples:
  runmint id-token --audience sts.amazonaws.com | runmint inspect - --audience sts.amazonaws.com
  runmint inspect - --issuer https://id.example.com/oidc < token.jwt
  runmint inspect - --offline --output json < token.jwt | jq .claims

Exit codes: 0 nothing is wrong; 5 nothing is wrong, but the issuer could not be asked; 6 the token is not valid.")]
pub(in crate::cli) struct Inspect {
    /// The token, or - for standard input
    #[arg(value_name = "TOKEN|-")]
    token: String,
    /// The expected audience
    #[arg(long)]
    audience: Option<String>,
    /// The expected issuer
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Make no network request; the signature is then not checked
    #[arg(long)]
    offline: bool,
}

impl Inspect {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let text = self.read()?;
        let claims = part(&text, 1);
        let published = self.ask(&text, claims.as_ref()).await?;
        let evidence = Evidence {
            text: &text,
            header: part(&text, 0),
            claims,
            published: &published,
            audience: self.audience.as_deref(),
            issuer: self.issuer.as_deref(),
            now: SystemClock.now(),
        };
        let report = Report::of(&evidence);
        output::print(output, &report.to_json(), |_| report.to_text())?;
        report.verdict()
    }

    /// The token, with as much of a too long one as tells that it is too long.
    fn read(&self) -> Result<String, Failure> {
        if self.token != "-" {
            return Ok(self.token.trim().to_owned());
        }
        let mut bytes = Vec::new();
        let most = MAX_TOKEN_BYTES as u64 + 1_024;
        stdin().take(most).read_to_end(&mut bytes).map_err(Failure::failed)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Asks the issuer that the token names, where that is allowed and makes sense.
    async fn ask(&self, text: &str, claims: Option<&Map<String, Value>>) -> Result<Published, Failure> {
        let named = claims.and_then(|claims| claims.get("iss")).and_then(Value::as_str);
        let issuer = named.and_then(|text| IssuerUrl::parse(text).ok());
        match (issuer, &self.issuer) {
            _ if self.offline => Ok(Published::not_asked("--offline")),
            _ if UnverifiedToken::parse(text).is_err() => {
                Ok(Published::not_asked("the text is not a signed JWT"))
            }
            (None, _) => Ok(Published::not_asked("the token has no `iss` with a valid URL")),
            (Some(issuer), Some(expected)) if issuer.as_str() != expected => {
                Ok(Published::not_asked("`iss` is not the issuer given with --issuer"))
            }
            (Some(issuer), _) => Published::ask(&issuer).await,
        }
    }
}
