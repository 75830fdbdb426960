//! `runmint dev`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::api::discovery::Discovery;
use crate::api::id_token::IdToken;
use crate::api::runs::{StartRun, StartedRun};
use crate::app::App;
use crate::cli::api::client::Client;
use crate::cli::server::logging;
use crate::cli::server::serve::{Signals, bind, until_signal};
use crate::cli::server::settings::SettingFlags;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, pretty};
use crate::clock::SystemClock;
use crate::config::setting::SETTINGS;
use crate::config::{Settings, Sources, Transport};
use crate::domain::access_token::Role;
use crate::domain::organization::{KeyChoice, Organization};
use crate::entropy::SystemEntropy;
use crate::flows::access_tokens::{NewAccessToken, Scope, create_access_token};
use crate::flows::organizations::{CreateOrganizationError, create_organization};
use crate::issuer::organization_name::OrganizationName;
use crate::launch::{self, FirstKeys, Server};
use crate::trust::token::limits::DEFAULT_MAX_LIFETIME;
use crate::trust::token::{Expectations, KeySet, UnverifiedToken};

const ORGANIZATION: &str = "acme";
/// Tokens of a trial expire.
const TOKEN_SECONDS: i64 = 30 * 24 * 3_600;

/// Try it: serve on this machine with an organization, tokens and a sample run
///
/// Creates a SQLite database in the data folder and a sealed signing key, then plays each role once over HTTP:
/// starts a run as the orchestrator, asks for a token as the runner, verifies it as a cloud would. Serves until
/// Ctrl-C. A second start uses the same database and key.
#[derive(Args)]
#[command(after_help = "Examples:
  runmint dev
  runmint dev --listen 127.0.0.1:0 --output json     any free port; the first line is for scripts
  runmint dev --dev-tls                              https, with a certificate authority in data/tls")]
pub(in crate::cli) struct Dev {
    /// Folder for the database
    #[arg(long, default_value = "data", value_name = "DIR")]
    data_dir: PathBuf,
    /// Folder for the sealing key
    #[arg(long, default_value = "keys", value_name = "DIR")]
    keys_dir: PathBuf,
    #[command(flatten)]
    settings: SettingFlags,
}

impl Dev {
    pub(in crate::cli) async fn execute(self, output: Format) -> Result<(), Failure> {
        let sources = self.settings.sources()?;
        // The issuer's URL contains the port, which the system may choose.
        let provisional = self.settings(&sources, "http://127.0.0.1")?;
        let listener = bind(&provisional).await?;
        let address = listener.local_addr().map_err(Failure::failed)?;
        let scheme = match provisional.transport {
            Transport::Plain { .. } => "http",
            Transport::Tls { .. } | Transport::DevTls { .. } => "https",
        };
        let settings = self.settings(&sources, &format!("{scheme}://{address}"))?;
        logging::start(settings.log_format, settings.log_level);

        let entropy = Arc::new(SystemEntropy::new());
        let app = launch::open(&settings, FirstKeys::Make, Arc::new(SystemClock), entropy).await?;
        let signals = Signals::listen()?;
        let server = Server::start(app, &settings, listener)?.keep_keys();
        let ca_file = match &settings.transport {
            // Absolute: it is pasted into a shell that may have another working directory.
            Transport::DevTls { folder } => {
                let file = folder.join("ca.pem");
                Some(std::path::absolute(&file).unwrap_or(file))
            }
            Transport::Plain { .. } | Transport::Tls { .. } => None,
        };
        let shown = demonstrate(server.app(), ca_file.as_deref()).await?;
        output::print(output, &for_scripts(&shown), |_| tour(&shown, ca_file.as_deref()))?;
        until_signal(server, signals).await
    }

    /// The configured settings, over defaults for a trial on this machine.
    fn settings(&self, sources: &Sources, origin: &str) -> Result<Settings, Failure> {
        let in_data = |name: &str| self.data_dir.join(name).display().to_string();
        let mut all = sources.clone();
        for (name, value) in [
            ("issuer", format!("{origin}/oidc")),
            ("database_url", format!("sqlite:{}", in_data("runmint.db"))),
            ("sealing_key_file", self.keys_dir.join("sealing.key").display().to_string()),
            ("dev_tls_dir", in_data("tls")),
        ] {
            let setting = SETTINGS.iter().find(|setting| setting.name == name);
            if !setting.is_some_and(|setting| sources.mention(setting)) {
                all.flags.push((name.to_owned(), value));
            }
        }
        Ok(Settings::load(&all)?)
    }
}

struct Demonstration {
    issuer: String,
    base_url: String,
    access_token: Zeroizing<String>,
    admin_token: Zeroizing<String>,
    run: SampleRun,
    id_token: Zeroizing<String>,
    /// Of the verified token.
    claims: Map<String, Value>,
}

struct SampleRun {
    id: Uuid,
    request_url: String,
    request_token: Zeroizing<String>,
}

/// Plays orchestrator, runner and cloud, each over HTTP as they would.
async fn demonstrate(app: &App, ca_file: Option<&Path>) -> Result<Demonstration, Failure> {
    let organization = ensure_organization(app).await?;
    let owner = Scope::Organization(organization, Role::Owner);
    let access_token = make_token(app, "runmint dev: owner of acme", owner).await?;
    let admin_token = make_token(app, "runmint dev: admin", Scope::Admin).await?;
    let base_url = app.issuing.base_url.as_str();

    let orchestrator = Client::new(base_url, Some(access_token.clone()), ca_file)?;
    let attributes = [("project", "website"), ("stack", "staging"), ("operation", "update")];
    let request = StartRun {
        service: "deploy".to_owned(),
        attributes: attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ttl_seconds: Some(app.issuing.run_ttl_max.as_secs()),
        audiences: None,
    };
    let runs = format!("/api/orgs/{ORGANIZATION}/runs");
    let started = orchestrator.post::<StartedRun>(&runs, &request).await?.parsed;
    let run = SampleRun {
        id: started.run.id,
        request_url: started.request_url,
        request_token: Zeroizing::new(started.request_token),
    };
    let runner = Client::new(base_url, Some(run.request_token.clone()), ca_file)?;
    let id_token = Zeroizing::new(runner.get::<IdToken>(&run.request_url).await?.parsed.value);
    let claims = verify(app, &id_token, ca_file).await?;
    Ok(Demonstration {
        issuer: app.issuing.issuer.to_string(),
        base_url: base_url.to_owned(),
        access_token,
        admin_token,
        run,
        id_token,
        claims,
    })
}

async fn ensure_organization(app: &App) -> Result<Organization, Failure> {
    match create_organization(app, ORGANIZATION, KeyChoice::default()).await {
        Ok(organization) => Ok(organization),
        Err(CreateOrganizationError::NameTaken(name)) => existing(app, &name).await,
        Err(error) => Err(Failure::failed(error)),
    }
}

async fn existing(app: &App, name: &OrganizationName) -> Result<Organization, Failure> {
    let found = app.store.organization_named(name).await.map_err(Failure::failed)?;
    found.ok_or_else(|| {
        Failure::failed(format!(
            "could not create organization {name}: it was deleted from this database, and names cannot be used again; pass another --data-dir"
        ))
    })
}

async fn make_token(app: &App, name: &str, scope: Scope) -> Result<Zeroizing<String>, Failure> {
    let new = NewAccessToken {
        name: name.to_owned(),
        scope,
        expires_in_seconds: Some(TOKEN_SECONDS),
        created_by: None,
    };
    let created = create_access_token(app, new).await.map_err(Failure::failed)?;
    Ok(Zeroizing::new(created.secret.expose().to_owned()))
}

/// Verifies a token as a cloud does: discovery, key set, signature, issuer, times, audience.
async fn verify(app: &App, id_token: &str, ca_file: Option<&Path>) -> Result<Map<String, Value>, Failure> {
    let verifier = Client::new(app.issuing.issuer.as_str(), None, ca_file)?;
    let discovery = verifier.get::<Discovery>("/.well-known/openid-configuration").await?.parsed;
    let jwks = verifier.get::<Value>(&discovery.jwks_uri).await?.parsed;
    let keys = KeySet::parse(jwks.to_string().as_bytes()).map_err(Failure::failed)?;
    let expected =
        Expectations { issuer: &discovery.issuer, max_lifetime: DEFAULT_MAX_LIFETIME, now: app.clock.now() };
    let verified = UnverifiedToken::parse(id_token)
        .and_then(|token| token.verify(&keys, &expected))
        .and_then(|claims| claims.only_for(ORGANIZATION))
        .map_err(Failure::failed)?;
    Ok(verified.all().clone())
}

fn for_scripts(shown: &Demonstration) -> Value {
    let SampleRun { id, request_url, request_token } = &shown.run;
    json!({
        "issuer": shown.issuer,
        "base_url": shown.base_url,
        "organization": ORGANIZATION,
        "access_token": shown.access_token.as_str(),
        "admin_token": shown.admin_token.as_str(),
        "run": {"id": id, "request_url": request_url, "request_token": request_token.as_str()},
        "id_token": shown.id_token.as_str(),
    })
}

/// A tour of what was done and what to do next.
fn tour(shown: &Demonstration, ca_file: Option<&Path>) -> String {
    let claims = pretty(&shown.claims);
    let (trust, curl) = match ca_file {
        Some(path) => (
            format!("\n  export RUNMINT_CA_FILE={}", path.display()),
            format!("curl --cacert {}", path.display()),
        ),
        None => (String::new(), "curl".to_owned()),
    };
    let Demonstration { issuer, base_url: base, access_token, admin_token, run, .. } = shown;
    let SampleRun { id: run_id, request_url, request_token } = run;
    let (access_token, admin_token) = (access_token.as_str(), admin_token.as_str());
    let request_token = request_token.as_str();
    let separator = if ca_file.is_some() { "https" } else { "http, on this machine only" };
    format!(
        r#"runmint is serving ({separator}).

  issuer        {issuer}
  organization  {ORGANIZATION}

A run of service `deploy` was started and got a token, which was verified through
{issuer}/.well-known/openid-configuration. Its claims:

{claims}

(These lines show secrets. That is fine for a trial; in production keep secrets off command lines.)

As the runner, get a token for a cloud:

  {curl} -H 'Authorization: Bearer {request_token}' \
    '{request_url}&audience=sts.amazonaws.com'

As the orchestrator, start another run (its answer has the environment to give to the runner):

  {curl} -X POST {base}/api/orgs/{ORGANIZATION}/runs \
    -H 'Authorization: Bearer {access_token}' -H 'Content-Type: application/json' \
    -d '{{"service":"deploy","attributes":{{"project":"website","stack":"prod","operation":"preview"}}}}'

The same with this program:

  export RUNMINT_URL={base}{trust}
  export RUNMINT_ACCESS_TOKEN={access_token}
  runmint run start --org {ORGANIZATION} --service deploy project=website stack=prod operation=preview
  RUNMINT_ID_TOKEN_REQUEST_URL='{request_url}' RUNMINT_ID_TOKEN_REQUEST_TOKEN={request_token} \
    runmint id-token --audience sts.amazonaws.com | runmint inspect -
  runmint run finish {run_id}   # it gets no more tokens

Admin access token (organizations and everything in them): {admin_token}

Next: docs/deploying.md describes production (runmint init, runmint serve). Ctrl-C stops.
"#
    )
}
