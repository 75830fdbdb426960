use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use reqwest::Method;
use runmint::app::App;
use runmint::clock::Clock;
use runmint::config::{Settings, Sources};
use runmint::flows::access_tokens::{NewAccessToken, Scope, create_access_token};
use runmint::launch::Server;
use runmint::signing::algorithm::SigningAlgorithm;
use runmint::signing::keyring::{IssuerId, RingId};
use runmint::signing::signing_key::SigningKey;
use runmint::store::Store;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::keys::SharedKeys;
use super::{Answer, Engine, ManualClock, SeededEntropy, TestDatabase, keys};

/// The time at which tests begin by default.
pub const START: &str = "2026-01-02T03:04:05Z";

/// What every test's ids and secrets are derived from. Each has a database of its own.
const SEED: u64 = 1;

/// A running service, with organization `acme` and an access token of each role.
pub struct TestApp {
    pub clock: Arc<ManualClock>,
    pub entropy: Arc<SeededEntropy>,
    pub database: TestDatabase,
    pub address: SocketAddr,
    pub base_url: String,
    pub issuer: String,
    pub admin: String,
    pub owner: String,
    pub orchestrator: String,
    pub viewer: String,
    pub http: reqwest::Client,
    server: Option<Server>,
    config: String,
    folder: Arc<TempDir>,
}

/// What the services of a test have in common.
#[derive(Clone)]
struct Ground {
    database: TestDatabase,
    clock: Arc<ManualClock>,
    entropy: Arc<SeededEntropy>,
    folder: Arc<TempDir>,
}

/// How a service differs from the default.
pub struct Setup {
    pub engine: Engine,
    pub start: Timestamp,
    /// Lines of the configuration file.
    pub config: String,
}

impl Setup {
    pub fn new(engine: Engine) -> Self {
        Self { engine, start: START.parse().unwrap(), config: String::new() }
    }

    pub fn config(self, lines: &str) -> Self {
        Self { config: format!("{}{lines}\n", self.config), ..self }
    }

    pub fn start(self, start: Timestamp) -> Self {
        Self { start, ..self }
    }

    /// Only the service, for configurations whose URLs the test cannot reach.
    pub async fn run_detached(self) -> TestApp {
        TestApp::serve(&self.config, self.ground().await).await
    }

    pub async fn run(self) -> TestApp {
        let mut app = TestApp::serve(&self.config, self.ground().await).await;
        app.admin = app.first_token().await;
        app.post_ok(&app.admin, "/api/orgs", &json!({"name": "acme"})).await;
        app.owner = app.make_token("acme", "owner").await;
        app.orchestrator = app.make_token("acme", "orchestrator").await;
        app.viewer = app.make_token("acme", "viewer").await;
        app
    }

    async fn ground(&self) -> Ground {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Ground {
            database: TestDatabase::create(self.engine, folder.path()).await,
            clock: Arc::new(ManualClock::at(self.start)),
            entropy: Arc::new(SeededEntropy::of(SEED)),
            folder,
        }
    }
}

impl TestApp {
    pub async fn start(engine: Engine) -> Self {
        Setup::new(engine).run().await
    }

    /// Another service on the same database, with the same tokens and clock, as if a second process.
    pub async fn replica(&self) -> Self {
        let ground = Ground {
            database: self.database.clone(),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            folder: Arc::clone(&self.folder),
        };
        let mut replica = Self::serve(&self.config, ground).await;
        for (ours, theirs) in [
            (&mut replica.admin, &self.admin),
            (&mut replica.owner, &self.owner),
            (&mut replica.orchestrator, &self.orchestrator),
            (&mut replica.viewer, &self.viewer),
        ] {
            ours.clone_from(theirs);
        }
        replica
    }

    async fn serve(config: &str, ground: Ground) -> Self {
        let Ground { database, clock, entropy, folder } = ground;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if config.contains("dev_tls = true") { "https" } else { "http" };
        let issuer = format!("{scheme}://{address}/oidc");
        let settings = settings(config, &issuer, &database.url, folder.path());
        let store =
            Store::open(settings.exposed_database_url(), settings.database_connections).await.unwrap();
        // The database's clock is the test's, too.
        let store = store.with_clock(clock.clone());
        let stores = SharedKeys::stores(&keys::sealing_key_text(), &[]);
        let app = App::new(&settings, store, stores, Vec::new(), clock.clone(), entropy.clone());
        let app = Arc::new(app);
        keys::install(&app).await;
        let server = Server::start(app, &settings, listener).unwrap();
        Self {
            clock,
            entropy,
            database,
            address,
            base_url: settings.base_url.to_string(),
            issuer: settings.issuer.to_string(),
            admin: String::new(),
            owner: String::new(),
            orchestrator: String::new(),
            viewer: String::new(),
            http: http_client(folder.path(), scheme),
            server: Some(server),
            config: config.to_owned(),
            folder,
        }
    }

    async fn first_token(&self) -> String {
        let new = NewAccessToken {
            name: "first".into(),
            scope: Scope::Admin,
            expires_in_seconds: None,
            created_by: None,
        };
        create_access_token(self.inner(), new).await.unwrap().secret.expose().to_owned()
    }

    /// The RS256 key that signs for the shared issuer.
    pub fn signing_key(&self) -> Arc<SigningKey> {
        let ring = RingId { issuer: IssuerId::Shared, algorithm: SigningAlgorithm::Rs256 };
        let served = self.inner().serving.peek();
        Arc::clone(served.keyring.signer(ring, &self.inner().rotation, self.clock.now()).unwrap())
    }

    /// The settings with which this service started.
    pub fn settings(&self) -> Settings {
        settings(&self.config, &self.issuer, &self.database.url, self.folder())
    }

    /// The same with more lines in the configuration file.
    pub fn settings_with(&self, lines: &str) -> Settings {
        settings(&format!("{}{lines}\n", self.config), &self.issuer, &self.database.url, self.folder())
    }

    pub fn inner(&self) -> &Arc<App> {
        self.server.as_ref().expect("the server runs").app()
    }

    /// The folder with this service's files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops the service gracefully; returns the number of connections that had to be cut off.
    pub async fn stop(&mut self) -> usize {
        self.server.take().expect("the server runs").stop().await
    }

    pub async fn make_token(&self, org: &str, role: &str) -> String {
        let path = format!("/api/orgs/{org}/access-tokens");
        let body = json!({"name": format!("a test's {role}"), "role": role});
        self.post_ok(&self.admin, &path, &body).await["access_token"].as_str().unwrap().to_owned()
    }

    /// Sends a request with a token (unless empty) and a body (unless null).
    pub async fn send(&self, method: Method, token: &str, path: &str, body: &Value) -> Answer {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base_url) };
        let mut request = self.http.request(method, url);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        Answer::read(request.send().await.unwrap()).await
    }

    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(Method::GET, token, path, &Value::Null).await
    }

    pub async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, token, path, body).await
    }

    pub async fn post_ok(&self, token: &str, path: &str, body: &Value) -> Value {
        self.post(token, path, body).await.ok()
    }

    pub async fn put(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, token, path, body).await
    }

    pub async fn patch(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, token, path, body).await
    }

    pub async fn delete(&self, token: &str, path: &str) -> Answer {
        self.send(Method::DELETE, token, path, &Value::Null).await
    }

    /// Starts an update of acme's website in staging, with `more` members in the request.
    pub async fn start_run(&self, more: &Value) -> Value {
        let mut body = json!({
            "service": "deploy",
            "attributes": {"project": "website", "stack": "staging", "operation": "update"},
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        self.post_ok(&self.orchestrator, "/api/orgs/acme/runs", &body).await
    }

    /// Requests a token for a started run; `query` continues its request URL.
    pub async fn ask(&self, run: &Value, query: &str) -> Answer {
        let url = format!("{}{query}", run["request_url"].as_str().unwrap());
        // A replica is called at its own address.
        let path = url.split_once("/api/").unwrap().1;
        self.get(run["request_token"].as_str().unwrap(), &format!("/api/{path}")).await
    }

    /// A token of a started run.
    pub async fn mint(&self, run: &Value, query: &str) -> String {
        self.ask(run, query).await.ok()["value"].as_str().unwrap().to_owned()
    }
}

fn settings(config: &str, issuer: &str, database_url: &str, folder: &Path) -> Settings {
    let mut file = String::new();
    let dev_tls_dir = folder.join("tls").display().to_string();
    for (name, value) in [("issuer", issuer), ("database_url", database_url), ("dev_tls_dir", &dev_tls_dir)] {
        if !config.contains(&format!("{name} =")) {
            file.extend([name, " = '", value, "'\n"]);
        }
    }
    file.push_str(config);
    let environment = vec![("RUNMINT_SEALING_KEY".to_owned(), keys::sealing_key_text())];
    let sources = Sources { file: Some(("test".into(), file)), environment, flags: Vec::new() };
    Settings::load(&sources).unwrap()
}

fn http_client(folder: &Path, scheme: &str) -> reqwest::Client {
    let mut builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    if scheme == "https" {
        let pem = std::fs::read(folder.join("tls/ca.pem")).unwrap();
        builder = builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem).unwrap());
    }
    builder.build().unwrap()
}
