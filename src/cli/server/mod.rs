//! Commands that run or prepare a server. Only this wing uses the rooms that make up a server.

pub(super) mod dev;
mod failures;
pub(super) mod health;
pub(super) mod init;
pub(super) mod logging;
pub(super) mod serve;
pub(super) mod settings;
