//! The command line: each command in a file of its own.

mod admin;
mod api;
mod clouds;
mod server;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::admin::{
    access_token, audience_profile, cloud_settings, id_token, keys, organization, policy, principal, run,
    trusted_issuer,
};
use self::api::{login, logout, whoami};
use self::clouds::{cloud_credentials, diagnose, doctor, exec, inspect, trust_documents};
use self::server::{dev, health, init, serve};
use self::terminal::completions;
use self::terminal::failure::Failure;
use self::terminal::output::{self, Format};
use crate::domain::principal::PrincipalKind;

const AFTER_HELP: &str = "\
First time here?  runmint dev

To use a server, set RUNMINT_URL to its base URL and RUNMINT_ACCESS_TOKEN to an access token (or
RUNMINT_ACCESS_TOKEN_FILE to a file with one), or run `runmint login`. RUNMINT_CA_FILE names an
additional certificate authority to trust.

Exit codes:
  0  done                             4  the sealing key is wrong or cannot be read
  1  it failed                        5  the server cannot be reached
  2  wrong usage                      6  an inspected token is not valid
  3  the configuration is wrong, or the sealing key is missing";

/// A self-hosted OpenID Connect issuer for workload identity: every deployment run gets its own
/// short-lived signed token.
#[derive(Parser)]
#[command(name = "runmint", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    /// Output format
    #[arg(long, global = true, value_enum, default_value_t, env = "RUNMINT_OUTPUT")]
    output: Format,
    #[command(subcommand)]
    command: Command,
}

/// Commands without help here have it at their own type.
#[derive(Subcommand)]
enum Command {
    Dev(dev::Dev),
    Init(init::Init),
    Serve(serve::Serve),
    Login(login::Login),
    Logout(logout::Logout),
    Whoami(whoami::Whoami),
    /// Organizations
    #[command(subcommand)]
    Org(organization::Command),
    /// Access tokens for the API
    #[command(subcommand)]
    AccessToken(access_token::Command),
    /// Trusted issuers, whose tokens an organization exchanges for its own
    #[command(subcommand)]
    Issuer(trusted_issuer::Command),
    /// Trust policies: what tokens of trusted issuers may be exchanged for
    #[command(subcommand)]
    Policy(policy::Command),
    /// Teams: names with rights to projects and stacks
    #[command(subcommand)]
    Team(principal::Command),
    /// Users: names with rights to projects and stacks
    #[command(subcommand)]
    User(principal::Command),
    /// Cloud settings: which role or account runs use in each cloud
    #[command(subcommand)]
    CloudSettings(cloud_settings::Command),
    /// Audience profiles: how tokens differ by audience
    #[command(subcommand)]
    AudienceProfile(audience_profile::Command),
    /// Runs: start, follow and end them
    #[command(subcommand)]
    Run(run::Command),
    IdToken(id_token::IdToken),
    Exec(Box<exec::Exec>),
    /// Inside a run: print credentials of AWS, Azure or Google Cloud
    #[command(subcommand)]
    Credentials(Box<cloud_credentials::Command>),
    /// Signing keys: list, rotate, revoke and publish them (needs an admin token)
    #[command(subcommand)]
    Keys(keys::Command),
    Inspect(inspect::Inspect),
    Diagnose(diagnose::Diagnose),
    Doctor(doctor::Doctor),
    /// Trust documents: write and test the policies by which clouds trust runs
    #[command(subcommand)]
    Trust(trust_documents::Command),
    Health(health::Health),
    /// Print the contract of the HTTP API (openapi.yaml)
    Openapi,
    Completions(completions::Completions),
}

/// Runs the command of this process.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::failed(format!("could not start the runtime: {error}")).report(),
    };
    match runtime.block_on(execute(cli)) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

async fn execute(cli: Cli) -> Result<ExitCode, Failure> {
    let output = cli.output;
    let done = match cli.command {
        // It ends with the exit code of the command that it runs.
        Command::Exec(exec) => return exec.execute().await,
        Command::Dev(dev) => dev.execute(output).await,
        Command::Init(init) => init.execute(output).await,
        Command::Serve(serve) => serve.execute().await,
        Command::Login(login) => login.execute(output).await,
        Command::Logout(logout) => logout.execute(output),
        Command::Whoami(whoami) => whoami.execute(output).await,
        Command::Org(command) => command.execute(output).await,
        Command::AccessToken(command) => command.execute(output).await,
        Command::Issuer(command) => command.execute(output).await,
        Command::Policy(command) => command.execute(output).await,
        Command::Team(command) => command.execute(PrincipalKind::Team, output).await,
        Command::User(command) => command.execute(PrincipalKind::User, output).await,
        Command::CloudSettings(command) => command.execute(output).await,
        Command::AudienceProfile(command) => command.execute(output).await,
        Command::Run(command) => command.execute(output).await,
        Command::IdToken(id_token) => id_token.execute(output).await,
        Command::Credentials(command) => command.execute().await,
        Command::Keys(command) => command.execute(output).await,
        Command::Inspect(inspect) => inspect.execute(output).await,
        Command::Diagnose(diagnose) => diagnose.execute(output),
        Command::Doctor(doctor) => doctor.execute(output).await,
        Command::Trust(command) => command.execute(output).await,
        Command::Health(health) => health.execute().await,
        Command::Openapi => output::print_text(include_str!("../../openapi.yaml")),
        Command::Completions(completions) => completions.execute::<Cli>(),
    };
    done.map(|()| ExitCode::SUCCESS)
}
