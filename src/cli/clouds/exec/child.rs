//! The command: it inherits our streams, gets our signals, and its exit code becomes ours.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::process::ExitStatus;

use rustix::process::{Pid, kill_process};
use rustix::termios::tcgetpgrp;
use tokio::process::{Child, Command};

use super::signals::{Received, Signals};
use crate::cli::terminal::failure::Failure;
use crate::clouds::handover::Handover;

/// Exit codes of a shell for a command that was not found or could not be executed (POSIX, Shell Command Language,
/// 2.8.2).
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;
const BY_SIGNAL: i32 = 128;

/// How the command ended.
pub(super) struct Ended {
    pub(super) code: u8,
    /// It was ended by a signal, or ended after this process was asked to stop.
    pub(super) was_stopped: bool,
}

pub(super) fn start(command: &[OsString], handover: &Handover) -> Result<Child, Failure> {
    let (program, arguments) = command.split_first().expect("clap asks for one");
    let mut child = Command::new(program);
    child.args(arguments);
    for (name, value) in handover.changes() {
        match value {
            Some(value) => child.env(name, value),
            None => child.env_remove(name),
        };
    }
    child.spawn().map_err(|error| {
        let code = if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE };
        Failure::of_command(code, format!("could not run {}: {error}", program.to_string_lossy()))
    })
}

/// Forwards signals until the command ends.
pub(super) async fn wait(mut child: Child, signals: &mut Signals) -> Result<Ended, Failure> {
    let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let mut was_asked_to_stop = false;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.map_err(Failure::failed)?,
            received = signals.next() => {
                was_asked_to_stop |= received.asks_to_stop();
                if let Some(id) = id.filter(|_| !came_from_the_terminal(received)) {
                    // The command may just have ended; the next turn of the loop reports it.
                    let _ = kill_process(id, received.signal());
                }
            }
        }
    };
    Ok(ended(status, was_asked_to_stop))
}

/// A terminal sends Ctrl-C to every process in its foreground, including the command. Forwarding it would be a second
/// Ctrl-C, on which Terraform and other tools stop without cleaning up.
fn came_from_the_terminal(received: Received) -> bool {
    let in_foreground = || {
        let terminal = std::fs::File::open("/dev/tty").ok()?;
        Some(tcgetpgrp(&terminal).ok()? == rustix::process::getpgrp())
    };
    received.can_be_typed() && in_foreground() == Some(true)
}

fn ended(status: ExitStatus, was_asked_to_stop: bool) -> Ended {
    use std::os::unix::process::ExitStatusExt;
    let (code, was_killed) = match (status.code(), status.signal()) {
        (Some(code), _) => (code, false),
        (None, signal) => (BY_SIGNAL + signal.unwrap_or_default(), true),
    };
    Ended { code: u8::try_from(code).unwrap_or(u8::MAX), was_stopped: was_killed || was_asked_to_stop }
}
