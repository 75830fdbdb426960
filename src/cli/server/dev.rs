//! `runmint dev`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use crate::app::App;
use crate::cli::api::client::Client;
use crate::cli::server::logging;
use crate::cli::server::serve::{Signals, bind, until_signal};
use crate::cli::server::settings::SettingFlags;
use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format};
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
/// Tokens of a trial are not for ever.
const TOKEN_SECONDS: i64 = 30 * 24 * 3_600;

/// Try it: serve on this machine with an organization, tokens and a sample run
///
/// Makes a SQLite database in the data folder and a sealed signing key, then plays every part once over
/// HTTP: starts a run as its orchestrator, asks for a token as its runner, verifies it as a cloud would.
/// Keeps serving until Ctrl-C. A second start uses what the first one made.
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
        // The issuer's URL has the port in it, and the port may be chosen by the system.
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
            // Whole, for it is pasted into a shell that may be somewhere else.
            Transport::DevTls { folder } => {
                let file = folder.join("ca.pem");
                Some(std::path::absolute(&file).unwrap_or(file))
            }
            Transport::Plain { .. } | Transport::Tls { .. } => None,
        };
        let (shown, claims) = demonstrate(server.app(), ca_file.as_deref()).await?;
        output::print(output, &shown, |shown| tour(shown, &claims, ca_file.as_deref()))?;
        until_signal(server, signals).await
    }

    /// What was set, over what a trial on this machine takes for granted.
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

/// Plays orchestrator, runner and cloud, each over HTTP as they would. Returns what a script may want to
/// know, and the claims of the verified token.
async fn demonstrate(app: &App, ca_file: Option<&Path>) -> Result<(Value, Value), Failure> {
    let organization = ensure_organization(app).await?;
    let owner = Scope::Organization(organization, Role::Owner);
    let access_token = make_token(app, "runmint dev: owner of acme", owner).await?;
    let admin_token = make_token(app, "runmint dev: admin", Scope::Admin).await?;
    let base_url = app.base_url.as_str();

    let orchestrator = Client::new(base_url, Some(access_token.clone()), ca_file)?;
    let run = orchestrator
        .post(
            &format!("/api/orgs/{ORGANIZATION}/runs"),
            Some(&json!({
                "service": "deploy",
                "attributes": {"project": "website", "stack": "staging", "operation": "update"},
                "ttl_seconds": app.run_ttl_max.as_secs(),
            })),
        )
        .await?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let runner = Client::new(base_url, Some(text(&run["request_token"])), ca_file)?;
    let id_token = text(&runner.get(&text(&run["request_url"])).await?["value"]);
    let claims = verify(app, &id_token, ca_file).await?;
    let shown = json!({
        "issuer": app.issuer.as_str(),
        "base_url": base_url,
        "organization": ORGANIZATION,
        "access_token": access_token,
        "admin_token": admin_token,
        "run": {"id": run["id"], "request_url": run["request_url"], "request_token": run["request_token"]},
        "id_token": id_token,
    });
    Ok((shown, claims))
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
            "organization {name} was deleted from this database, and names are not handed out again; use another --data-dir"
        ))
    })
}

async fn make_token(app: &App, name: &str, scope: Scope) -> Result<String, Failure> {
    let new = NewAccessToken {
        name: name.to_owned(),
        scope,
        expires_in_seconds: Some(TOKEN_SECONDS),
        created_by: None,
    };
    let created = create_access_token(app, new).await.map_err(Failure::failed)?;
    Ok(created.secret.expose().to_owned())
}

/// As a cloud does: discovery, key set, signature, issuer, times, audience.
async fn verify(app: &App, id_token: &str, ca_file: Option<&Path>) -> Result<Value, Failure> {
    let verifier = Client::new(app.issuer.as_str(), None, ca_file)?;
    let discovery = verifier.get("/.well-known/openid-configuration").await?;
    let jwks = verifier.get(discovery["jwks_uri"].as_str().unwrap_or_default()).await?;
    let keys = KeySet::parse(jwks.to_string().as_bytes()).map_err(Failure::failed)?;
    let expected = Expectations {
        issuer: discovery["issuer"].as_str().unwrap_or_default(),
        max_lifetime: DEFAULT_MAX_LIFETIME,
        now: app.clock.now(),
    };
    let verified = UnverifiedToken::parse(id_token)
        .and_then(|token| token.verify(&keys, &expected))
        .and_then(|claims| claims.only_for(ORGANIZATION))
        .map_err(Failure::failed)?;
    Ok(Value::Object(verified.all().clone()))
}

/// What was done, and what to do next.
fn tour(shown: &Value, claims: &Value, ca_file: Option<&Path>) -> String {
    let text = |pointer: &str| shown.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let claims = serde_json::to_string_pretty(claims).unwrap_or_default();
    let (trust, curl) = match ca_file {
        Some(path) => (
            format!("\n  export RUNMINT_CA_FILE={}", path.display()),
            format!("curl --cacert {}", path.display()),
        ),
        None => (String::new(), "curl".to_owned()),
    };
    let (base, issuer) = (text("/base_url"), text("/issuer"));
    let (access_token, admin_token) = (text("/access_token"), text("/admin_token"));
    let (run_id, request_url, request_token) =
        (text("/run/id"), text("/run/request_url"), text("/run/request_token"));
    let separator = if ca_file.is_some() { "https" } else { "http, on this machine only" };
    format!(
        r#"runmint is serving ({separator}).

  issuer        {issuer}
  organization  {ORGANIZATION}

A run of service `deploy` was started, asked for a token, and the token was verified through
{issuer}/.well-known/openid-configuration. It says:

{claims}

(These lines show secrets, which is fine for a trial; elsewhere keep them off command lines.)

As the runner, get a token for some cloud:

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
  runmint run finish {run_id}   # from then on it gets no token

Admin access token (organizations and everything in them): {admin_token}

Next: docs/deploying.md shows how to serve for real (runmint init, runmint serve). Ctrl-C stops.
"#
    )
}
