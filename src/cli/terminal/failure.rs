//! How a command ends when it does not succeed.

use std::fmt::{self, Display};
use std::process::ExitCode;

/// A message for people and an exit code for scripts.
#[derive(Debug)]
pub(in crate::cli) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    fn new(code: u8, message: impl Display) -> Self {
        Self { code, message: message.to_string() }
    }

    /// The operation failed.
    pub(in crate::cli) fn failed(message: impl Display) -> Self {
        Self::new(1, message)
    }

    /// The command was used wrongly, in a way that clap cannot tell.
    pub(in crate::cli) fn usage(message: impl Display) -> Self {
        Self::new(2, message)
    }

    /// For monitors: an operator must act now. `failed` is for what can wait.
    pub(in crate::cli) fn critical(message: impl Display) -> Self {
        Self::new(2, message)
    }

    pub(in crate::cli) fn configuration(message: impl Display) -> Self {
        Self::new(3, message)
    }

    pub(in crate::cli) fn sealing_key(message: impl Display) -> Self {
        Self::new(4, message)
    }

    pub(in crate::cli) fn unreachable(message: impl Display) -> Self {
        Self::new(5, message)
    }

    /// An inspected token is not valid. The checks that failed were printed already.
    pub(in crate::cli) fn token_not_valid(message: impl Display) -> Self {
        Self::new(6, message)
    }

    /// The command of `exec` could not be started.
    pub(in crate::cli) fn of_command(code: u8, message: impl Display) -> Self {
        Self::new(code, message)
    }

    /// The same failure, with the action that it stopped in front.
    pub(in crate::cli) fn because(self, what: impl Display) -> Self {
        Self { message: format!("{what}: {self}"), ..self }
    }

    /// Prints the message on standard error.
    pub(in crate::cli) fn report(self) -> ExitCode {
        eprintln!("runmint: {self}");
        ExitCode::from(self.code)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
