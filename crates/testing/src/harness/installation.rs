use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::{Exited, Process};
use super::{Answer, Engine, TestDatabase};

/// An operator's installation: a folder, a database, a configuration file. Nothing runs yet.
pub struct Installation {
    pub database: TestDatabase,
    issuer: String,
    environment: Vec<(String, String)>,
    folder: TempDir,
}

/// The serving program and its address.
pub struct Service {
    pub process: Process,
    pub address: SocketAddr,
    http: reqwest::Client,
}

impl Installation {
    pub const ISSUER: &str = "https://id.example.test/oidc";

    pub async fn new(engine: Engine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = TestDatabase::create(engine, folder.path()).await;
        Self::of(database, Self::ISSUER, folder)
    }

    /// An installation on this database whose URL is that of a proxy.
    pub fn behind(issuer: &str, database: TestDatabase) -> Self {
        Self::of(database, issuer, tempfile::tempdir().unwrap())
    }

    fn of(database: TestDatabase, issuer: &str, folder: TempDir) -> Self {
        let installation = Self { database, issuer: issuer.to_owned(), environment: Vec::new(), folder };
        installation.configure("")
    }

    /// Writes the configuration file: these lines and those that every service needs. It listens on any free
    /// port, so the issuer's URL is not the service's address.
    pub fn configure(self, lines: &str) -> Self {
        let (issuer, database_url) = (&self.issuer, &self.database.url);
        let file = format!(
            "issuer = '{issuer}'\nlisten = '127.0.0.1:0'\ndatabase_url = '{database_url}'\n{lines}\n"
        );
        std::fs::write(self.path("runmint.toml"), file).unwrap();
        self
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub fn start(&self, arguments: &[&str]) -> Process {
        self.start_with(arguments, &[])
    }

    /// Like `start`, with these variables added.
    pub fn start_with(&self, arguments: &[&str], variables: &[(String, String)]) -> Process {
        let with_config = [arguments, &["--config", "runmint.toml"]].concat();
        Process::start(self.folder(), &with_config, &[&self.environment, variables].concat())
    }

    /// Starts serving, with these variables added.
    pub fn serve_with(&self, variables: &[(String, String)]) -> Service {
        Service::of(self.start_with(&["serve"], variables))
    }

    pub fn run(&self, arguments: &[&str]) -> Exited {
        self.start(arguments).wait()
    }

    /// Runs `init`; returns the admin access token if it printed one.
    pub fn init(&self, arguments: &[&str]) -> Option<String> {
        let printed = self.run(&[&["init", "--output", "json"], arguments].concat()).ok().stdout;
        let printed: Value = serde_json::from_str(&printed).unwrap();
        printed["admin_token"].as_str().map(str::to_owned)
    }

    /// Starts a service and waits until it answers.
    pub fn serve(&self) -> Service {
        Service::of(self.start(&["serve"]))
    }
}

impl Service {
    /// Waits until the process has logged its address.
    pub fn of(process: Process) -> Self {
        // Matches both log formats: listen=127.0.0.1:1234 and "listen":"127.0.0.1:1234". The issuer precedes
        // it and may be on this machine too.
        let line = process.log_line("listen");
        let said = &line[line.find("listen").unwrap()..];
        let port = said.split("127.0.0.1:").nth(1).unwrap();
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        let address = format!("127.0.0.1:{port}").parse().unwrap();
        // The service closes a connection after ten idle seconds, even if a request is on its way.
        let rest_at_most = Duration::from_secs(5);
        let http = reqwest::Client::builder().no_proxy().pool_idle_timeout(rest_at_most).build().unwrap();
        Self { process, address, http }
    }

    pub async fn send(&self, method: Method, token: &str, path: &str, body: &Value) -> Answer {
        let mut request = self.http.request(method, format!("http://{}{path}", self.address));
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

    /// Creates organization `acme` and starts a run in it.
    pub async fn first_run(&self, admin: &str) -> Value {
        self.post(admin, "/api/orgs", &json!({"name": "acme"})).await.ok();
        self.post(admin, "/api/orgs/acme/runs", &Self::run()).await.ok()
    }

    /// The body that starts an update of acme's website in staging.
    pub fn run() -> Value {
        let attributes = json!({"project": "website", "stack": "staging", "operation": "update"});
        json!({"service": "deploy", "attributes": attributes})
    }

    /// Requests a token for a started run.
    pub async fn ask(&self, run: &Value) -> Answer {
        self.get(run["request_token"].as_str().unwrap(), request_path(run)).await
    }

    /// Sends this signal to the service and waits until it is gone.
    #[track_caller]
    pub fn stop(self, signal: &str) -> Exited {
        self.process.signal(signal);
        self.process.wait()
    }
}

/// The path of a started run's token requests, without the host.
pub fn request_path(run: &Value) -> &str {
    let url = run["request_url"].as_str().unwrap();
    &url[url.find("/api/").unwrap()..]
}
