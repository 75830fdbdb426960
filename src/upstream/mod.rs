//! Fetching the keys of issuers that somebody registered: hostile ground.
//!
//! Whoever registers an issuer chooses where this process connects to and what it reads there. So there is one
//! way out, `fetch`, which decides about addresses after they were resolved and connects to those and no
//! others; and one cache, `issuer_keys`, in which no issuer can be mistaken for another or slow it down.

pub mod address;
pub mod discovery;
pub mod fetch;
mod freshness;
pub mod issuer_keys;
pub mod registered_issuer;
pub mod resolver;
pub mod source_url;
pub mod thumbprint;
mod tls;
