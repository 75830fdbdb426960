use std::process::ExitCode;

fn main() -> ExitCode {
    runmint::cli::run()
}
