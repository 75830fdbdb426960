//! `runmint completions`

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output;

/// Print a completion script for a shell
#[derive(Args)]
#[command(after_help = "Example:  runmint completions bash > /etc/bash_completion.d/runmint")]
pub(in crate::cli) struct Completions {
    shell: Shell,
}

impl Completions {
    pub(in crate::cli) fn execute<C: CommandFactory>(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        generate(self.shell, &mut C::command(), "runmint", &mut script);
        output::print_text(&String::from_utf8_lossy(&script))
    }
}
