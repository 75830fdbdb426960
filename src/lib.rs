//! runmint: a self-hosted OpenID Connect issuer for workload identity.
//!
//! Dependencies point one way, from what changes often to what changes rarely: `cli` → `launch` → `http` → `flows` →
//! `app` → `api`, `store`, `serving`, `exchange_limits`, `run_cache` → `domain` → `signing`, `config`, `upstream`,
//! `publication`, `opaque_token` → `issuer`, `trust`, `clouds`, `copies`, `clock`, `entropy`, `private_file`. A test
//! reads the code and keeps it so; docs/architecture.md says what each room does.

pub mod api;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod copies;
pub mod domain;
pub mod entropy;
pub mod exchange_limits;
pub mod flows;
pub mod http;
pub mod launch;
pub mod opaque_token;
pub mod private_file;
pub mod publication;
pub mod run_cache;
pub mod serving;
pub mod signing;
pub mod store;
pub mod upstream;

// Crates under crates/, by the names that rooms have.
pub use {runmint_clouds as clouds, runmint_issuer as issuer, runmint_trust as trust};
