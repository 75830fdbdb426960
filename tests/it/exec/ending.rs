//! How a command ends, and what ends with it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::{AWS, Machine, owned};
use crate::harness::{Process, eventually};

const ATTRIBUTES: [&str; 5] = ["--org", "acme", "project=website", "stack=prod", "operation=update"];
/// Runs until it is told to end, or its parent is gone.
const WAITS: &str = "echo ready $RUNMINT_RUN_ID; while kill -0 $PPID; do sleep 0.05; done";

fn run_id(ready: &str) -> &str {
    ready.trim_end().strip_prefix("ready ").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_started_by_exec_is_finished_with_its_command() {
    let machine = Machine::start().await;
    let flags = [AWS.as_slice(), &ATTRIBUTES].concat();
    let script = r#"echo "$RUNMINT_RUN_ID"; env | grep -c ACCESS_TOKEN; exit 3"#;
    let ended = machine.exec(&machine.orchestrator(), &flags, script).wait();
    assert_eq!(ended.code, Some(3));
    let (id, rest) = ended.stdout.split_once('\n').unwrap();
    assert_eq!(rest, "0\n", "the command is the run, and not who started it");
    assert_eq!(machine.state_of(id).await, "finished");
    assert_eq!(machine.left_over(), [""; 0]);
    assert!(!ended.stderr.contains(&machine.app.orchestrator));

    let refused = machine.exec(&machine.orchestrator(), &["--org", "acme"], "true").wait();
    assert!(refused.refusal(2).contains("needs attributes"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_are_left_to_the_command() {
    let machine = Machine::start().await;
    let flags = [AWS.as_slice(), &ATTRIBUTES].concat();
    for (signal, code) in [("TERM", 143), ("INT", 130), ("HUP", 129), ("QUIT", 131)] {
        let exec = machine.exec(&machine.orchestrator(), &flags, WAITS);
        let id = run_id(&exec.stdout_line("ready")).to_owned();
        exec.signal(signal);
        assert_eq!(exec.wait().code, Some(code), "{signal}");
        assert_eq!(machine.state_of(&id).await, "cancelled", "{signal}");
        assert_eq!(machine.left_over(), [""; 0], "{signal}");
    }
    let script =
        format!("trap 'echo one' USR1; trap 'echo two' USR2; trap 'echo cleans up; exit 9' TERM; {WAITS}");
    let exec = machine.exec(&machine.orchestrator(), &flags, &script);
    let id = run_id(&exec.stdout_line("ready")).to_owned();
    for (signal, said) in [("USR1", "one"), ("USR2", "two"), ("TERM", "cleans up")] {
        exec.signal(signal);
        exec.stdout_line(said);
    }
    assert_eq!(exec.wait().code, Some(9));
    assert_eq!(machine.state_of(&id).await, "cancelled", "it was asked to stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_start_removes_leftovers_of_a_killed_run_but_not_of_a_live_one() {
    let machine = Machine::start().await;
    let (_, environment) = machine.run().await;
    let living = machine.exec(&environment, &AWS, WAITS);
    living.stdout_line("ready");
    let of_the_living = machine.left_over();
    let killed = machine.exec(&environment, &AWS, WAITS);
    killed.stdout_line("ready");
    assert_eq!(machine.left_over().len(), 4);
    killed.signal("KILL");
    eventually("it is gone", async || !Path::new(&format!("/proc/{}/fd", killed.id())).join("0").exists())
        .await;
    assert_eq!(machine.left_over().len(), 4, "nobody could remove it");

    machine.exec(&environment, &AWS, "true").wait().ok();
    assert_eq!(machine.left_over(), of_the_living);
    living.signal("TERM");
    assert_eq!(living.wait().code, Some(143));
    assert_eq!(machine.left_over(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standard_input_and_output_belong_to_the_command() {
    let machine = Machine::start().await;
    let (_, environment) = machine.run().await;
    let of_the_login = machine.folder.path().join("login");
    DirBuilder::new().mode(0o700).create(&of_the_login).unwrap();
    let variable = owned(&[("XDG_RUNTIME_DIR", &of_the_login.display().to_string())]);
    let environment = [environment, variable].concat();
    let mut command = std::process::Command::new("sh");
    let script = format!(
        "printf 'a\\0b' | {} exec --aws-role-arn {} -- cat | od -c",
        env!("CARGO_BIN_EXE_runmint"),
        AWS[1]
    );
    command.args(["-c", &script]).env_clear().envs(environment);
    let ended = Process::spawn(command).wait().ok();
    assert!(ended.stdout.contains("a  \\0   b"), "{}", ended.stdout);
    assert_eq!(super::names_in(&of_the_login.join("runmint")), [""; 0], "in the login's folder");
}

/// A second Ctrl-C makes many tools abandon their cleanup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminal_input_reaches_the_command_once() {
    let machine = Machine::start().await;
    let (_, environment) = machine.run().await;
    // The second signal follows the first through the program, which has handled the first by then.
    let command = "trap 'echo interrupted >> said; kill -USR1 $PPID' INT; trap 'touch done; exit 4' USR1;
        touch ready; while kill -0 $PPID; do sleep 0.05; done";
    std::fs::write(machine.folder.path().join("command"), command).unwrap();
    let exec = format!("{} exec --aws-role-arn {} -- sh command", env!("CARGO_BIN_EXE_runmint"), AWS[1]);
    let typed =
        "while [ ! -e ready ]; do sleep 0.05; done; printf '\\003'; while [ ! -e done ]; do sleep 0.05; done";
    let mut terminal = std::process::Command::new("sh");
    terminal.args(["-c", &format!("({typed}) | script -qec 'exec {exec}' /dev/null")]);
    terminal.env_clear().envs(environment).current_dir(machine.folder.path());
    let ended = Process::spawn(terminal).wait();
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert_eq!(std::fs::read_to_string(machine.folder.path().join("said")).unwrap(), "interrupted\n");
}
