//! Fetching the keys of trusted issuers: hostile ground.
//!
//! An organization that registers an issuer chooses where this process connects and what it reads there. So
//! there is one way out, `fetch`, which checks addresses after resolving them and connects only to those; and
//! one cache, `issuer_keys`, in which no issuer can be mistaken for another or slow it down.

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
