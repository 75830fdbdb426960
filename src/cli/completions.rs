//! `runmint completions`

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::failure::Failure;
use super::output;

/// Print a completion script for a shell
#[derive(Args)]
#[command(after_help = "Example:  runmint completions bash > /etc/bash_completion.d/runmint")]
pub(super) struct Completions {
    shell: Shell,
}

impl Completions {
    pub(super) fn execute<C: CommandFactory>(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        generate(self.shell, &mut C::command(), "runmint", &mut script);
        output::print_text(&String::from_utf8_lossy(&script))
    }
}
