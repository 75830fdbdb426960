//! The signals that are forwarded to the command.

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::terminal::failure::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    Interrupt,
    Terminate,
    HangUp,
    Quit,
    User1,
    User2,
}

/// Listens before anything is on disk: without a handler a signal would end this process before it can clean up.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    quit: Signal,
    user1: Signal,
    user2: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, Failure> {
        let handler = |kind| {
            signal(kind).map_err(|error| Failure::failed(format!("could not listen for signals: {error}")))
        };
        Ok(Self {
            interrupt: handler(SignalKind::interrupt())?,
            terminate: handler(SignalKind::terminate())?,
            hang_up: handler(SignalKind::hangup())?,
            quit: handler(SignalKind::quit())?,
            user1: handler(SignalKind::user_defined1())?,
            user2: handler(SignalKind::user_defined2())?,
        })
    }

    pub(super) async fn next(&mut self) -> Received {
        tokio::select! {
            _ = self.interrupt.recv() => Received::Interrupt,
            _ = self.terminate.recv() => Received::Terminate,
            _ = self.hang_up.recv() => Received::HangUp,
            _ = self.quit.recv() => Received::Quit,
            _ = self.user1.recv() => Received::User1,
            _ = self.user2.recv() => Received::User2,
        }
    }

    /// The next one that asks to stop.
    pub(super) async fn stop(&mut self) -> Received {
        loop {
            let received = self.next().await;
            if received.asks_to_stop() {
                return received;
            }
        }
    }
}

impl Received {
    pub(super) fn signal(self) -> Number {
        match self {
            Self::Interrupt => Number::INT,
            Self::Terminate => Number::TERM,
            Self::HangUp => Number::HUP,
            Self::Quit => Number::QUIT,
            Self::User1 => Number::USR1,
            Self::User2 => Number::USR2,
        }
    }

    pub(super) fn asks_to_stop(self) -> bool {
        matches!(self, Self::Interrupt | Self::Terminate | Self::HangUp | Self::Quit)
    }

    /// Ctrl-C and Ctrl-\.
    pub(super) fn can_be_typed(self) -> bool {
        matches!(self, Self::Interrupt | Self::Quit)
    }

    /// The exit code of a process that this signal ends.
    pub(super) fn exit_code(self) -> u8 {
        128 + u8::try_from(self.signal().as_raw()).unwrap_or_default()
    }
}
