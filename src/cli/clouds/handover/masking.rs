//! Keeps secrets out of CI logs and out of our own messages.

use std::collections::VecDeque;
use std::io::{Write, stderr};
use std::sync::Mutex;

use zeroize::Zeroizing;

use crate::cli::terminal::environment::variable;
use crate::cli::terminal::output::safe;

/// The most recent secrets to remember. A run of days learns thousands, and expired secrets are harmless.
const MOST_KNOWN: usize = 1_024;

/// A CI system that masks values on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Platform {
    GithubActions,
    AzureDevops,
}

/// Learns every secret before it is handed on.
pub(in crate::cli) struct Masking {
    platform: Option<Platform>,
    known: Mutex<VecDeque<Zeroizing<String>>>,
}

impl Masking {
    pub(in crate::cli) fn from_environment() -> Self {
        Self::of(platform(&variable))
    }

    fn of(platform: Option<Platform>) -> Self {
        Self { platform, known: Mutex::default() }
    }

    /// Tells the CI system to mask this value. Writes to standard error, which both systems also read: standard output
    /// belongs to the command and may go into a file or another program.
    pub(in crate::cli) fn learn(&self, secret: &str) {
        if secret.is_empty() {
            return;
        }
        let mut known = self.known.lock().expect("no holder of the lock panics");
        if known.iter().any(|one| one.as_str() == secret) {
            return;
        }
        if known.len() == MOST_KNOWN {
            known.pop_front();
        }
        known.push_back(Zeroizing::new(secret.to_owned()));
        drop(known);
        if let Some(platform) = self.platform {
            // One write, so that no other output gets in between. If standard error is closed, no log shows the secret.
            let _ = stderr().lock().write_all(platform.line(secret).as_bytes());
        }
    }

    /// Prints a message with every known secret masked.
    pub(in crate::cli) fn say(&self, text: &str) {
        let _ = stderr().lock().write_all(format!("runmint: {}\n", safe(&self.masked(text))).as_bytes());
    }

    pub(in crate::cli) fn masked(&self, text: &str) -> String {
        let known = self.known.lock().expect("no holder of the lock panics");
        known.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }
}

impl Platform {
    /// On a line of its own: another process may have begun one, and CI systems show a command in the middle of a line
    /// instead of obeying it.
    fn line(self, secret: &str) -> Zeroizing<String> {
        Zeroizing::new(format!("\n{}\n", self.command(secret)))
    }

    /// docs.github.com/actions/reference/workflow-commands-for-github-actions (add-mask) and
    /// learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands (SetSecret).
    fn command(self, secret: &str) -> String {
        let escaped = |percent: &str| secret.replace('%', percent).replace('\r', "%0D").replace('\n', "%0A");
        match self {
            Self::GithubActions => format!("::add-mask::{}", escaped("%25")),
            Self::AzureDevops => format!("##vso[task.setsecret]{}", escaped("%AZP25")),
        }
    }
}

fn platform(variable: &dyn Fn(&str) -> Option<String>) -> Option<Platform> {
    let is_true = |name: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if is_true("GITHUB_ACTIONS") {
        Some(Platform::GithubActions)
    } else if is_true("TF_BUILD") {
        Some(Platform::AzureDevops)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ci_system_is_recognised_and_gets_its_own_command() {
        let found = |name: &'static str, value: &'static str| {
            platform(&move |one| (one == name).then(|| value.to_owned()))
        };
        assert_eq!(found("GITHUB_ACTIONS", "true"), Some(Platform::GithubActions));
        assert_eq!(found("TF_BUILD", "True"), Some(Platform::AzureDevops));
        assert_eq!(found("GITHUB_ACTIONS", "false"), None);
        assert_eq!(found("CI", "true"), None);
        assert_eq!(Platform::GithubActions.command("a%\r\nb"), "::add-mask::a%25%0D%0Ab");
        assert_eq!(Platform::GithubActions.line("a").as_str(), "\n::add-mask::a\n");
        // The agent undoes %AZP25 after the others, which have no prefix.
        assert_eq!(Platform::AzureDevops.command("a%\r\nb"), "##vso[task.setsecret]a%AZP25%0D%0Ab");
    }

    #[test]
    fn known_secrets_are_never_printed() {
        let masking = Masking::of(None);
        masking.learn("secret-1");
        masking.learn("");
        assert_eq!(masking.masked("the token secret-1, and secret-2"), "the token ***, and secret-2");
        (0..2 * MOST_KNOWN).for_each(|number| masking.learn(&format!("n{number}.")));
        assert_eq!(masking.known.lock().unwrap().len(), MOST_KNOWN);
    }
}
