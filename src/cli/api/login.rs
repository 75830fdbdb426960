//! `runmint login`

mod exchange;
mod platform;

use std::io::{IsTerminal, stdin};

use clap::{ArgGroup, Args};
use serde_json::json;

use self::exchange::Exchange;
use self::platform::Platform;
use crate::api::user::User;
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
use crate::cli::terminal::table::fields;
use crate::clock::{Clock, SystemClock};
use crate::config::duration::TextDuration;
use crate::issuer::organization_name::OrganizationName;
use crate::trust::policy::evaluation::Asked;

/// Log in to a server with an access token or with a platform's token
///
/// Without --oidc-… it reads an access token from standard input; with them it exchanges a trusted issuer's
/// token for one. The login is saved in a file that only you can read, and commands use it when
/// RUNMINT_ACCESS_TOKEN is not set.
#[derive(Args)]
#[command(group = ArgGroup::new("source").args(["oidc_token", "oidc_auto"]))]
#[command(group = ArgGroup::new("whom").args(["oidc_admin", "oidc_team", "oidc_user", "oidc_runner"]))]
#[command(after_help = "Examples:
  read -rs TOKEN && printf %s \"$TOKEN\" | runmint login https://id.example.com
  runmint login https://id.example.com --oidc-auto --oidc-org acme
  runmint login https://id.example.com --oidc-token file://token.jwt --oidc-org acme --oidc-team web

--oidc-auto uses the first of these that it finds:
  RUNMINT_OIDC_TOKEN  the token itself, set by the job's definition: GitLab (id_tokens), CircleCI,
                      Buildkite
  a run of runmint    RUNMINT_ID_TOKEN_REQUEST_URL, RUNMINT_ID_TOKEN_REQUEST_TOKEN
  GitHub Actions      ACTIONS_ID_TOKEN_REQUEST_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN: set with
                      `permissions: id-token: write`
  GitLab              GITLAB_OIDC_TOKEN, from `id_tokens:`
  Azure DevOps        SYSTEM_OIDCREQUESTURI, SYSTEM_ACCESSTOKEN (map it into the step's env), and
                      AZURESUBSCRIPTION_SERVICE_CONNECTION_ID for a service connection's token
  Kubernetes          /var/run/secrets/tokens/runmint, a projected token for this audience

Other users of this machine can read arguments: prefer file://PATH, or - for standard input. A
token from file:// is sent unread; the claims of any other may name the organization (audience
urn:runmint:org:ORG) and the team or user (scope).")]
pub(in crate::cli) struct Login {
    /// The server's base URL
    #[arg(env = "RUNMINT_URL")]
    url: String,
    /// A token of an issuer that the organization trusts
    #[arg(long, value_name = "TOKEN|file://PATH|-")]
    oidc_token: Option<String>,
    /// Use the token of the platform that this job runs on
    #[arg(long)]
    oidc_auto: bool,
    /// The organization to log in to
    #[arg(long, value_name = "ORG", value_parser = OrganizationName::parse, requires = "source")]
    oidc_org: Option<OrganizationName>,
    /// Log in as an owner, where a policy grants `admin`
    #[arg(long, requires = "source")]
    oidc_admin: bool,
    /// Log in as this team
    #[arg(long, value_name = "TEAM", requires = "source")]
    oidc_team: Option<String>,
    /// Log in as this user
    #[arg(long, value_name = "USER", requires = "source")]
    oidc_user: Option<String>,
    /// Log in as this runner
    #[arg(long, value_name = "RUNNER", requires = "source")]
    oidc_runner: Option<String>,
    /// How long the login lasts [default: 2h; at most the issuer's maximum]
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "source")]
    oidc_expiration: Option<TextDuration>,
}

impl Login {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let server = ServerUrl::parse(&self.url)?;
        if let Some(name) = overriding_variable() {
            return Err(Failure::usage(format!(
                "could not log in: {name} is set, and commands would keep using it instead of the login; unset it first"
            )));
        }
        let logins = Credentials::required()?;
        let credential = match self.exchange(output).await? {
            Some(exchange) => Some(exchange.at(&server).await?),
            None => None,
        };
        let exchanged = credential.is_some();
        let mut credential = credential.map_or_else(pasted, Ok)?;
        let client = Client::at(server.as_str(), Some(credential.access_token.clone()))?;
        let user = client.get::<User>("/api/user").await?.parsed;
        if !exchanged {
            credential.expires_at = user.expires_at;
        }
        logins.keep(&server, &credential)?;
        report(&server, &user, &credential, output)
    }

    /// The exchange that the flags ask for, if any.
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

    /// `None` without such a flag.
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
            "could not read the access token: standard input is a terminal and would show it; pipe the token in: read -rs TOKEN && printf %s \"$TOKEN\" | runmint login URL",
        ));
    }
    Ok(Credential { access_token: foreign_token::of_standard_input()?, expires_at: None })
}

fn report(server: &ServerUrl, user: &User, credential: &Credential, output: Format) -> Result<(), Failure> {
    let done = json!({
        "server": server.as_str(),
        "login": user.github_login,
        "organization": user.token_info.organization,
        "expires_at": credential.expires_at,
    });
    output::print(output, &done, |_| {
        let expires = moment(credential.expires_at, SystemClock.now(), "never");
        let whom = holder(&user.token_info);
        let whom = whom.map_or_else(|| user.github_login.clone(), |(kind, name)| format!("{kind} {name}"));
        let facts = fields(&[("as", whom), ("expires", expires)]);
        format!("Logged in to {server}.\n{facts}")
    })?;
    // Inside a run of another server it names that server.
    if let Some(other) = variable("RUNMINT_URL")
        && ServerUrl::parse(&other).is_ok_and(|other| other.as_str() != server.as_str())
    {
        let other = safe(&other);
        remark(
            output,
            &format!(
                "RUNMINT_URL is {other}, so commands use that server. To use this login: export RUNMINT_URL={server}"
            ),
        );
    }
    Ok(())
}
