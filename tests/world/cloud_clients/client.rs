use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A client library in a process of its own, which makes one call for each line it receives.
pub(super) struct Client {
    child: Child,
    calls: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// The identity that the cloud reports, or the error that a user of the library sees.
pub(super) type Call = Result<String, String>;

/// A client in `tests/clients/python/clouds.py`.
pub(super) fn python(name: &str) -> Command {
    let mut command = installed("python");
    command.arg(root().join("tests/clients/python/clouds.py")).arg(name);
    command
}

/// A client in `tests/clients/node/clouds.mjs`.
pub(super) fn node(name: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(root().join("tests/clients/node/clouds.mjs")).arg(name);
    command
}

/// An executable installed with the Python clients.
pub(super) fn installed(name: &str) -> Command {
    let path = root().join("target/clients/venv/bin").join(name);
    assert!(path.exists(), "the test clients are not installed: run scripts/install-clients");
    Command::new(path)
}

/// The command as started by `runmint exec`.
pub(super) fn under_exec(flags: &[String], command: &Command) -> Command {
    let mut exec = Command::new(env!("CARGO_BIN_EXE_runmint"));
    exec.arg("exec").args(flags).arg("--").arg(command.get_program()).args(command.get_args());
    exec
}

/// Runs a program that prints the identity it calls with, and exits.
pub(super) fn run(mut command: Command, environment: &[(String, String)]) -> Call {
    tokio::task::block_in_place(|| {
        let output = command.env_clear().envs(environment.iter().cloned()).output().expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    })
}

impl Client {
    pub(super) fn python(name: &str, environment: &[(String, String)]) -> Self {
        Self::start(python(name), environment)
    }

    pub(super) fn node(name: &str, environment: &[(String, String)]) -> Self {
        Self::start(node(name), environment)
    }

    pub(super) fn start(mut command: Command, environment: &[(String, String)]) -> Self {
        let mut child = command
            .env_clear()
            .envs(environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the client starts; scripts/install-clients installs what it needs");
        let calls = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, calls, answers }
    }

    /// Makes a call while the service and the clouds keep serving.
    pub(super) fn call(&mut self) -> Call {
        tokio::task::block_in_place(|| {
            // A process that has exited does not answer either.
            let _ = self.calls.as_mut().unwrap().write_all(b"\n");
            let mut answer = String::new();
            // Libraries made for GitHub's runner print workflow commands.
            while self.answers.read_line(&mut answer).unwrap() > 0 && answer.starts_with("::") {
                answer.clear();
            }
            let answer: Value = serde_json::from_str(&answer)
                .unwrap_or_else(|error| panic!("the client ended, or said {answer:?}: {error}"));
            match answer["caller"].as_str() {
                Some(caller) => Ok(caller.to_owned()),
                None => Err(answer["refused"].as_str().unwrap().to_owned()),
            }
        })
    }
}

impl Client {
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Lets it exit by itself, once its input ends.
    pub(super) fn end(mut self) -> Option<i32> {
        drop(self.calls.take());
        tokio::task::block_in_place(|| self.child.wait().unwrap().code())
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
