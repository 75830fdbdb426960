//! A client of the HTTP API: where the server is, who the caller is, what it answered.

pub(super) mod answer;
pub(super) mod client;
pub(super) mod connection;
pub(super) mod foreign_token;
pub(super) mod login;
pub(super) mod logout;
pub(super) mod pages;
pub(super) mod refusal;
pub(super) mod saved_logins;
pub(super) mod server_url;
pub(super) mod session;
pub(super) mod versioned;
pub(super) mod whoami;
