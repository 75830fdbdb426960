//! `runmint exec` and `runmint credentials`: the real program with real commands against the real service.

mod credentials;
mod ending;
mod endpoint;
mod handing_over;
mod renewing;
mod token_service;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use runmint::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Engine, Process, Setup, TestApp};

const AWS: [&str; 2] = ["--aws-role-arn", "arn:aws:iam::123456789012:role/deploy"];
const AZURE: [&str; 4] = [
    "--azure-client-id",
    "11111111-2222-3333-4444-555555555555",
    "--azure-tenant-id",
    "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
];
const GCP: [&str; 6] = ["--gcp-project-number", "42", "--gcp-pool", "pool", "--gcp-provider", "provider"];

/// A machine's temporary folder, and a service. The program reads the machine's clock, so the service does
/// too.
struct Machine {
    app: TestApp,
    folder: TempDir,
}

impl Machine {
    async fn start() -> Self {
        let app = Setup::new(Engine::Sqlite).start(SystemClock.now()).run().await;
        Self { app, folder: tempfile::tempdir().unwrap() }
    }

    /// The program's environment outside a run.
    fn environment(&self) -> Vec<(String, String)> {
        let home = self.folder.path().join("home").display().to_string();
        let temporary = self.folder.path().display().to_string();
        owned(&[
            ("PATH", "/usr/bin:/bin"),
            ("TMPDIR", &temporary),
            ("HOME", &home),
            ("AWS_REGION", "eu-central-1"),
        ])
    }

    /// A started run and its runner's environment.
    async fn run(&self) -> (Value, Vec<(String, String)>) {
        let run = self.app.start_run(&json!({})).await;
        let variables = run["environment"].as_object().unwrap();
        let variables =
            variables.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        let environment = [self.environment(), variables.collect()].concat();
        (run, environment)
    }

    /// The environment of a caller that may start runs.
    fn orchestrator(&self) -> Vec<(String, String)> {
        let session =
            [("RUNMINT_URL", &*self.app.base_url), ("RUNMINT_ACCESS_TOKEN", &*self.app.orchestrator)];
        [self.environment(), owned(&session)].concat()
    }

    fn exec(&self, environment: &[(String, String)], arguments: &[&str], script: &str) -> Process {
        let all = [&["exec"], arguments, &["--", "sh", "-c", script]].concat();
        Process::start(self.folder.path(), &all, environment)
    }

    /// The parent of every run's folder.
    fn base(&self) -> PathBuf {
        let names = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names = names.map(|entry| entry.unwrap().path());
        names.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("runmint-")).unwrap()
    }

    fn left_over(&self) -> Vec<String> {
        names_in(&self.base())
    }

    async fn state_of(&self, run_id: &str) -> String {
        let shown = self.app.get(&self.app.viewer, &format!("/api/runs/{run_id}")).await.ok();
        shown["state"].as_str().unwrap().to_owned()
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The variables in the output of `env`.
fn variables(printed: &str) -> BTreeMap<&str, &str> {
    printed.lines().filter_map(|line| line.split_once('=')).collect()
}
