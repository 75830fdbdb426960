//! `runmint login`

mod exchange;
mod platform;

use std::io::{IsTerminal, stdin};

use clap::{ArgGroup, Args};
use jiff::Timestamp;
use serde_json::{Value, json};

use self::exchange::Exchange;
use self::platform::Platform;
use crate::cli::api::client::Client;
use crate::cli::api::foreign_token::{self, GivenToken};
use crate::cli::api::saved_logins::{Credential, Credentials};
use crate::cli::api::server_url::ServerUrl;
use crate::cli::api::session::overriding_variable;
use crate::cli::api::whoami::holder;
use crate::cli::terminal::arguments::duration;
use crate::cli::terminal::environment::variable;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, remark, safe};
use crate::cli::terminal::span::moment;
use crate::cli::terminal::table::{cell, fields};
use crate::clock::{Clock, SystemClock};
use crate::config::duration::TextDuration;
use crate::issuer::organization_name::OrganizationName;
use crate::trust::policy::evaluation::Asked;

/// Log in to a server, with an access token or with the token that a platform gives its jobs
///
/// Without --oidc-… it reads an access token from standard input. With them it exchanges a token of a trusted
/// issuer for an access token. What it gets is kept in a file for you alone, and commands use it where
/// RUNMINT_ACCESS_TOKEN is not set.
#[derive(Args)]
#[command(group = ArgGroup::new("source").args(["oidc_token", "oidc_auto"]))]
#[command(group = ArgGroup::new("whom").args(["oidc_admin", "oidc_team", "oidc_user", "oidc_runner"]))]
#[command(after_help = "Examples:
  read -rs TOKEN && printf %s \"$TOKEN\" | runmint login https://id.example.com
  runmint login https://id.example.com --oidc-auto --oidc-org acme
  runmint login https://id.example.com --oidc-token file://token.jwt --oidc-org acme --oidc-team web

What --oidc-auto finds, the first of:
  RUNMINT_OIDC_TOKEN  the token itself, as a job's definition may put it there: GitLab (id_tokens),
                      CircleCI, Buildkite
  a run of runmint    RUNMINT_ID_TOKEN_REQUEST_URL, RUNMINT_ID_TOKEN_REQUEST_TOKEN
  GitHub Actions      ACTIONS_ID_TOKEN_REQUEST_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN: there with
                      `permissions: id-token: write`
  GitLab              GITLAB_OIDC_TOKEN, from `id_tokens:`
  Azure DevOps        SYSTEM_OIDCREQUESTURI, SYSTEM_ACCESSTOKEN (to be handed to the step), and for
                      a service connection's token AZURESUBSCRIPTION_SERVICE_CONNECTION_ID
  Kubernetes          /var/run/secrets/tokens/runmint, a projected token for this audience

Other users of this machine can read arguments: prefer file://PATH, or - for standard input. Of a
token in a file:// nothing is read; one given otherwise may name the organization itself (by an
audience urn:runmint:org:ORG) and the team or user (by a scope).")]
pub(in crate::cli) struct Login {
    /// The server's base URL
    #[arg(env = "RUNMINT_URL")]
    url: String,
    /// A token of an issuer that the organization trusts
    #[arg(long, value_name = "TOKEN|file://PATH|-")]
    oidc_token: Option<String>,
    /// Find the token of the platform that this job runs on
    #[arg(long)]
    oidc_auto: bool,
    /// The organization to log in to
    #[arg(long, value_name = "ORG", value_parser = OrganizationName::parse, requires = "source")]
    oidc_org: Option<OrganizationName>,
    /// As the owner of the organization, where a policy grants `admin`
    #[arg(long, requires = "source")]
    oidc_admin: bool,
    /// As this team
    #[arg(long, value_name = "TEAM", requires = "source")]
    oidc_team: Option<String>,
    /// As this user
    #[arg(long, value_name = "USER", requires = "source")]
    oidc_user: Option<String>,
    /// As this runner
    #[arg(long, value_name = "RUNNER", requires = "source")]
    oidc_runner: Option<String>,
    /// How long the login lasts [default: 2h; the issuer's maximum bounds it]
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "source")]
    oidc_expiration: Option<TextDuration>,
}

impl Login {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let server = ServerUrl::parse(&self.url)?;
        if let Some(name) = overriding_variable() {
            return Err(Failure::usage(format!(
                "{name} is set, and commands would go on using it instead of a login: unset it first"
            )));
        }
        let logins = Credentials::required()?;
        let credential = match self.exchange(output).await? {
            Some(exchange) => Some(exchange.at(&server).await?),
            None => None,
        };
        let exchanged = credential.is_some();
        let mut credential = credential.map_or_else(pasted, Ok)?;
        let client = Client::at(server.as_str(), Some(credential.access_token.to_string()))?;
        let user = client.get("/api/user").await?;
        if user["githubLogin"].as_str().is_none() {
            return Err(Failure::failed("the answer names nobody: is this runmint?"));
        }
        if !exchanged {
            credential.expires_at = time(&user["expires_at"]);
        }
        logins.keep(&server, &credential)?;
        report(&server, &user, &credential, output)
    }

    /// What is to be exchanged, if anything.
    async fn exchange(&self, output: Format) -> Result<Option<Exchange>, Failure> {
        let given = match &self.oidc_token {
            Some(argument) => GivenToken::read(argument)?,
            None if self.oidc_auto => {
                let organization = self.oidc_org.as_ref().ok_or_else(exchange::no_organization)?;
                let platform = Platform::find()?;
                remark(output, &format!("Found the token of {}.", platform.name()));
                GivenToken { text: platform.token(organization).await?, opaque: true }
            }
            None => return Ok(None),
        };
        let expiration = self.oidc_expiration.map(|TextDuration(expiration)| expiration);
        Exchange::new(given, self.oidc_org.clone(), self.asked(), expiration).map(Some)
    }

    /// `None` when no flag says it.
    fn asked(&self) -> Option<Asked> {
        let name = |name: &Option<String>| name.clone();
        None.or_else(|| self.oidc_admin.then_some(Asked::Organization { admin: true }))
            .or_else(|| name(&self.oidc_team).map(|name| Asked::Team { name }))
            .or_else(|| name(&self.oidc_user).map(|name| Asked::Personal { name }))
            .or_else(|| name(&self.oidc_runner).map(|name| Asked::Runner { name }))
    }
}

fn pasted() -> Result<Credential, Failure> {
    if stdin().is_terminal() {
        return Err(Failure::usage(
            "an access token typed here would be seen; pipe it: read -rs TOKEN && printf %s \"$TOKEN\" | runmint login URL",
        ));
    }
    Ok(Credential { access_token: foreign_token::of_standard_input()?, expires_at: None })
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn report(server: &ServerUrl, user: &Value, credential: &Credential, output: Format) -> Result<(), Failure> {
    let done = json!({
        "server": server.as_str(),
        "login": user["githubLogin"],
        "organization": user["tokenInfo"]["organization"],
        "expires_at": credential.expires_at,
    });
    output::print(output, &done, |done| {
        let expires = moment(&done["expires_at"], SystemClock.now(), "never");
        let whom = holder(user).map_or_else(|| cell(&done["login"]), |(kind, name)| format!("{kind} {name}"));
        let facts = fields(&[("as", whom), ("expires", expires)]);
        format!("Logged in to {server}.\n{facts}")
    })?;
    // In a run of another runmint it names that one.
    if let Some(other) = variable("RUNMINT_URL")
        && ServerUrl::parse(&other).is_ok_and(|other| other.as_str() != server.as_str())
    {
        let other = safe(&other);
        remark(
            output,
            &format!("RUNMINT_URL is {other}, and commands go there: export RUNMINT_URL={server}"),
        );
    }
    Ok(())
}
