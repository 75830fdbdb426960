//! Runs the program to its end, as operators and scripts do.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::TestApp;
use super::answer::with_one_address;

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

    /// All that the command said, for a snapshot: its exit code, its output, and its messages behind `! `.
    /// It read the machine's clock, so times and the ids that begin with one are left out.
    pub fn shown(&self) -> String {
        let mut shown = format!("exit code {}\n{}", self.code, self.stdout);
        for line in self.stderr.lines() {
            shown.extend(["! ", line, "\n"]);
        }
        shown_text(&shown)
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

/// Output as a snapshot has it.
pub fn shown_text(text: &str) -> String {
    without_moments(&with_one_address(text))
}

/// The text with another value for each time and UUID, of the same width, so that tables keep their form.
fn without_moments(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let moment = MOMENTS.iter().find(|(form, _)| has_form(rest, form));
        let (part, length) =
            moment.map_or((&rest[..next.len_utf8()], next.len_utf8()), |(form, part)| (*part, form.len()));
        shown.push_str(part);
        rest = &rest[length..];
        if let Some((distance, after)) =
            moment.and(rest.strip_prefix(" (")).and_then(|rest| rest.split_once(')'))
        {
            if distance.ends_with(" ago") {
                shown.push_str(" (… ago)");
                rest = after;
            } else if distance.starts_with("in ") {
                shown.push_str(" (in …)");
                rest = after;
            }
        }
    }
    shown
}

/// 0 is any digit and x any digit of base 16.
const MOMENTS: [(&str, &str); 2] = [
    ("0000-00-00T00:00:00Z", "YYYY-MM-DDTHH:MM:SSZ"),
    ("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "UUIDUUID-UUID-UUID-UUID-UUIDUUIDUUID"),
];

fn has_form(text: &str, form: &str) -> bool {
    let fits = |(found, form)| match form {
        b'0' => u8::is_ascii_digit(&found),
        b'x' => u8::is_ascii_hexdigit(&found),
        other => found == other,
    };
    text.len() >= form.len() && text.bytes().zip(form.bytes()).all(fits)
}
