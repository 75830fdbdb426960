//! A PostgreSQL that a test may stop. The one that all tests share must stay up.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use sqlx::{AnyConnection, AssertSqlSafe, Connection};

use crate::harness::TestDatabase;

/// `scripts/with-postgres`, which removes the server when its input ends: at the latest with this process.
pub(super) struct Postgres {
    script: Child,
    requests: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Postgres {
    pub(super) fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/with-postgres");
        let mut script = Command::new(script)
            .arg("--on-request")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script starts");
        let requests = script.stdin.take();
        let answers = BufReader::new(script.stdout.take().expect("it is piped")).lines();
        let mut postgres = Self { script, requests, answers, url: String::new() };
        postgres.url = postgres.answer("ready ");
        postgres
    }

    /// An empty database on it.
    pub(super) async fn database(&self, name: &str) -> TestDatabase {
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(&self.url).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let server = self.url.rsplit_once('/').unwrap().0;
        TestDatabase { url: format!("{server}/{name}") }
    }

    /// Ends every connection and every open transaction.
    pub(super) fn stop(&mut self) {
        self.ask("stop");
        self.answer("stopped");
    }

    /// Starts it again on the same address.
    pub(super) fn start_again(&mut self) {
        self.ask("start");
        self.answer("ready ");
    }

    fn ask(&mut self, request: &str) {
        writeln!(self.requests.as_mut().expect("it runs"), "{request}").unwrap();
    }

    fn answer(&mut self, beginning: &str) -> String {
        let line = self.answers.next().expect("the script runs; it says above what went wrong").unwrap();
        line.strip_prefix(beginning).unwrap_or_else(|| panic!("`{line}` is no `{beginning}`")).to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.requests.take());
        let _ = self.script.wait();
    }
}
