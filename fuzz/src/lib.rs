//! The room that is fuzzed, and not the program around it: `trust` uses no other room, so this builds in a
//! fraction of the time.

#[path = "../../src/trust/mod.rs"]
pub mod trust;
