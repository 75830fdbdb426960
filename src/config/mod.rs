//! The configuration: flags over `RUNMINT_*` variables over a TOML file. An unknown setting or an invalid
//! value stops the start with one line that says where and why.

mod bounds;
mod database;
pub mod duration;
mod error;
pub mod keys;
mod log;
mod raw;
pub mod setting;
mod settings;
mod sources;
mod transport;
pub mod trust;
mod variables;

pub use self::error::ConfigError;
pub use self::log::{LogFormat, LogLevel};
pub use self::settings::{DEFAULT_RUN_TTL, Limits, MIN_RUN_TTL, Settings};
pub use self::sources::Sources;
pub use self::transport::Transport;

#[cfg(test)]
mod tests;
