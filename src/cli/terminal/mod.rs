//! The interface to people: arguments, tables, colours, failures.

pub(super) mod arguments;
pub(super) mod completions;
pub(super) mod environment;
pub(super) mod failure;
pub(super) mod input;
pub(super) mod limits;
pub(super) mod output;
pub(super) mod span;
pub(super) mod table;
