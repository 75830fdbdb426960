use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A client library in a process of its own, which makes one call for each line that it is sent.
pub(super) struct Client {
    child: Child,
    calls: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Who the cloud says is calling, or what a user of the library sees instead.
pub(super) type Call = Result<String, String>;

impl Client {
    /// One of those in `tests/clients/python/clouds.py`.
    pub(super) fn python(name: &str, environment: &[(String, String)]) -> Self {
        let interpreter = root().join("target/clients/venv/bin/python");
        assert!(interpreter.exists(), "the test clients are not installed: run scripts/install-clients");
        let mut command = Command::new(interpreter);
        command.arg(root().join("tests/clients/python/clouds.py")).arg(name);
        Self::start(command, environment)
    }

    /// One of those in `tests/clients/node/clouds.mjs`.
    pub(super) fn node(name: &str, environment: &[(String, String)]) -> Self {
        let mut command = Command::new("node");
        command.arg(root().join("tests/clients/node/clouds.mjs")).arg(name);
        Self::start(command, environment)
    }

    pub(super) fn start(mut command: Command, environment: &[(String, String)]) -> Self {
        let mut child = command
            .env_clear()
            .envs(environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the client starts; scripts/install-clients installs what it needs");
        let calls = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, calls, answers }
    }

    /// Makes a call, while the service and the clouds go on serving.
    pub(super) fn call(&mut self) -> Call {
        tokio::task::block_in_place(|| {
            let mut answer = String::new();
            // Whoever has ended already has no answer either.
            let _ = self.calls.write_all(b"\n").and_then(|()| self.calls.flush());
            self.answers.read_line(&mut answer).unwrap();
            let answer: Value = serde_json::from_str(&answer)
                .unwrap_or_else(|error| panic!("the client ended, or said {answer:?}: {error}"));
            match answer["caller"].as_str() {
                Some(caller) => Ok(caller.to_owned()),
                None => Err(answer["refused"].as_str().unwrap().to_owned()),
            }
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
