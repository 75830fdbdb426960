//! How credentials reach the command.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// Tokens in files and at an endpoint; clients exchange them themselves, again and again
    #[default]
    Token,
    /// No token is written to the disk; clients that know files only get nothing
    Endpoint,
    /// Plain credentials, exchanged here, once
    Credentials,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum GcpSource {
    /// From the endpoint on 127.0.0.1
    #[default]
    Url,
    /// From a file
    File,
}
