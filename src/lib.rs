//! runmint: a self-hosted OpenID Connect issuer for workload identity.
//!
//! Arrows point one way: clock, entropy, issuer, trust, copies → signing, clouds, config, upstream → domain → api,
//! store → app → flows → http → launch → cli → main. A test reads the `use` lines and keeps it so.

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

// Crates of their own, since others build on them: the fuzz targets on `trust`.
pub use {runmint_clouds as clouds, runmint_issuer as issuer, runmint_trust as trust};
