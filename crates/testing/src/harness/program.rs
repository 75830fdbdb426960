use std::path::PathBuf;

/// The program that is tested, where Cargo has put it.
#[expect(clippy::disallowed_methods, reason = "Cargo tells a test that runs where the program is")]
pub fn program() -> PathBuf {
    std::env::var_os("CARGO_BIN_EXE_runmint").expect("`cargo test` names the program").into()
}
