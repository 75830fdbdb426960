//! How the command gets credentials.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// Tokens in files and at an endpoint; clients exchange them for credentials themselves
    #[default]
    Token,
    /// No token is written to disk; clients that read tokens from files only get none
    Endpoint,
    /// Plain credentials, exchanged once at the start and never renewed
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
