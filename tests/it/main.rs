//! The integration tests, one binary. Tests of behaviour run on SQLite and on PostgreSQL
//! (`on_both_engines!`), against the real service on real sockets, with a clock that they set.

mod harness;

mod dev;
mod discovery;
mod init_and_serve;
mod minting;
mod runs;
mod secrecy;
mod stopping;
mod tls;
