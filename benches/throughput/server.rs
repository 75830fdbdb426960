//! The release binary as a child process, set up as an operator would: `init`, `serve`, an organization and
//! some runs over HTTP.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::wire;

const BINARY: &str = env!("CARGO_BIN_EXE_runmint");
const JWKS: &str = "/oidc/.well-known/jwks";
/// The runs that take turns to request tokens.
const RUNS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(10);

/// One configuration: a database, a sealing key, an issuer.
pub(crate) struct Deployment {
    pub(crate) engine: &'static str,
    pub(crate) database_url: String,
    pub(crate) port: u16,
    /// On disk: `/tmp` may be in memory, where a commit costs nothing.
    folder: TempDir,
}

/// A child process that ends when a benchmark fails.
pub(crate) struct Process(Child);

impl Deployment {
    pub(crate) fn on_sqlite() -> Result<Self> {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let database_url = format!("sqlite:{}", folder.path().join("runmint.db").display());
        Ok(Self { engine: "SQLite", database_url, port: free_port()?, folder })
    }

    pub(crate) fn on_postgres(url: &str) -> Result<Self> {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        Ok(Self { engine: "PostgreSQL", database_url: url.to_owned(), port: free_port()?, folder })
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}/oidc", self.port)
    }

    /// Creates schema and keys; returns the admin access token.
    pub(crate) fn initialize(&self) -> Result<String> {
        let output = self.command("init").args(["--output", "json"]).output()?;
        ensure!(output.status.success(), "init: {}", String::from_utf8_lossy(&output.stderr));
        let made: Value = serde_json::from_slice(&output.stdout)?;
        text(&made["admin_token"]).context("the database is not empty: init made no admin access token")
    }

    pub(crate) fn serve(&self) -> Result<Process> {
        let log = File::create(self.folder.path().join("log"))?;
        let child = self
            .command("serve")
            .args(["--log-level", "warn", "--trust-plain-http", "--trust-allowed-ranges", "127.0.0.0/8"])
            .stderr(log)
            .spawn()?;
        Ok(Process(child))
    }

    /// The time from the start of the process to its first answer.
    pub(crate) async fn time_to_first_jwks(&self) -> Result<Duration> {
        let began = Instant::now();
        let process = self.serve()?;
        self.jwks_when_ready().await?;
        let took = began.elapsed();
        process.stop().await?;
        Ok(took)
    }

    pub(crate) async fn jwks_when_ready(&self) -> Result<Vec<u8>> {
        let request = self.jwks_request();
        let ready = async {
            loop {
                match wire::once(self.port, &request, 200).await {
                    Ok(jwks) => return jwks,
                    Err(_) => sleep(Duration::from_millis(1)).await,
                }
            }
        };
        let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        timeout(PATIENCE, ready).await.with_context(|| format!("the server does not start: {}", log()))
    }

    pub(crate) fn jwks_request(&self) -> Vec<u8> {
        wire::get(JWKS, self.port, None)
    }

    /// Starts the runs; returns a token request for each.
    pub(crate) async fn register_runs(&self, admin_token: &str) -> Result<Vec<Vec<u8>>> {
        let port = self.port;
        let organization = wire::post("/api/orgs", port, admin_token, &json!({"name": "acme"}));
        wire::once(port, &organization, 201).await?;
        let mut requests = Vec::new();
        for number in 0..RUNS {
            let stack = format!("stack-{number}");
            let attributes = json!({"project": "website", "stack": stack, "operation": "update"});
            let run = json!({"service": "deploy", "attributes": attributes});
            let request = wire::post("/api/orgs/acme/runs", port, admin_token, &run);
            let started: Value = serde_json::from_slice(&wire::once(port, &request, 201).await?)?;
            let url = text(&started["request_url"]).context("a run without a request_url")?;
            let token = text(&started["request_token"]).context("a run without a request_token")?;
            let target = url.strip_prefix(&format!("http://127.0.0.1:{port}")).context("request_url")?;
            requests.push(wire::get(&format!("{target}&audience=sts.amazonaws.com"), port, Some(&token)));
        }
        Ok(requests)
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args([name, "--listen", &format!("127.0.0.1:{}", self.port), "--issuer", &self.issuer()])
            .args(["--database-url", &self.database_url, "--sealing-key-file"])
            .arg(self.folder.path().join("sealing.key"))
            .stdin(Stdio::null());
        command
    }
}

impl Process {
    /// Starts `command` with `input` as its whole standard input.
    pub(crate) fn with_input(command: &mut Command, input: &[u8]) -> Result<Self> {
        let mut process = Self(command.stdin(Stdio::piped()).spawn()?);
        let mut stdin = process.0.stdin.take().context("a child without standard input")?;
        stdin.write_all(input)?;
        Ok(process)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Asks it to stop and waits until it has exited successfully.
    pub(crate) async fn stop(mut self) -> Result<()> {
        ensure!(Command::new("kill").arg(self.id().to_string()).status()?.success(), "kill");
        let ended = async {
            loop {
                match self.0.try_wait()? {
                    Some(status) => return anyhow::Ok(status),
                    None => sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let status = timeout(PATIENCE, ended).await.context("the server does not end")??;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The issuer's URL contains the port, so it must be known first.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}
