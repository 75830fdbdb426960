//! Runs the program to its end, as operators and scripts do.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::TestApp;

/// How a command ended.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// The result of a command that must succeed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    #[track_caller]
    pub fn fails(self, code: i32, why: &str) {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains(why), "{}", self.stderr);
    }
}

/// Runs the program with exactly this environment.
pub async fn run(environment: Vec<(String, String)>, arguments: &[&str], input: &str) -> Ended {
    let (arguments, input): (Vec<String>, _) =
        (arguments.iter().map(|&one| one.to_owned()).collect(), input.to_owned());
    let run = move || {
        let mut child = Command::new(super::program())
            .args(arguments)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads no input may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// Runs the program with this access token.
pub async fn run_as(app: &TestApp, token: &str, arguments: &[&str]) -> Ended {
    let environment = vec![
        ("RUNMINT_URL".to_owned(), app.base_url.clone()),
        ("RUNMINT_ACCESS_TOKEN".to_owned(), token.to_owned()),
    ];
    run(environment, arguments, "").await
}
