//! How a command ends when it does not succeed.

use std::fmt::{self, Display};
use std::process::ExitCode;

/// What happened, in words for people, and the exit code for scripts.
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

    /// The command was used wrongly in a way that only the environment can tell.
    pub(in crate::cli) fn usage(message: impl Display) -> Self {
        Self::new(2, message)
    }

    /// What a monitor must wake somebody for; what is only worth a look is a failed operation.
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

    /// An inspected token is not valid. What is wrong was printed already.
    pub(in crate::cli) fn token_not_valid(message: impl Display) -> Self {
        Self::new(6, message)
    }

    /// A command that was to be run could not be started.
    pub(in crate::cli) fn of_command(code: u8, message: impl Display) -> Self {
        Self::new(code, message)
    }

    /// The same, with what it means for the command.
    pub(in crate::cli) fn because(self, what: impl Display) -> Self {
        Self { message: format!("{what}: {self}"), ..self }
    }

    /// Says on standard error what happened.
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
