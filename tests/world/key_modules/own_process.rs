//! Runs a test in a process of its own. Modules and cloud libraries read their process's environment, which a
//! test that shares the process must not change, and a module's state belongs to its process.

use std::process::{Command, Stdio};

/// The variables that the parent gives the child.
pub(crate) type Variables = Vec<(&'static str, String)>;

/// Set for the child to the name of its test.
const OWN_PROCESS: &str = "RUNMINT_TEST_OWN_PROCESS";

/// Runs `body` in a new process whose whole environment is `variables`. The state that `surroundings` creates
/// lives until that process has ended.
pub(crate) fn run<S>(test: &str, surroundings: fn() -> (S, Variables), body: fn()) {
    if variable(OWN_PROCESS).as_deref() == Some(test) {
        return body();
    }
    let (alive, variables) = surroundings();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env_clear()
        .envs(variables)
        .env("PATH", variable("PATH").unwrap())
        .env(OWN_PROCESS, test)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    drop(alive);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{}\n{out}\n{err}", output.status);
}

/// A variable that `surroundings` supplied.
pub(crate) fn given(name: &str) -> String {
    variable(name).unwrap_or_else(|| panic!("{name} is not set"))
}

#[expect(clippy::disallowed_methods, reason = "the environment is what a process of its own is for")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Declares each named function of the file as a test in its own process, within `surroundings`.
macro_rules! each_in_its_own_process {
    ($surroundings:path: $($test:ident),* $(,)?) => {
        $(#[test]
        fn $test() {
            let (_, name) = concat!(module_path!(), "::", stringify!($test)).split_once("::").unwrap();
            $crate::key_modules::own_process::run(name, $surroundings, super::$test);
        })*
    };
}
pub(crate) use each_in_its_own_process;
