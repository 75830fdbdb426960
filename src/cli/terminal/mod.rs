//! What a person types and reads: arguments, tables, colours, failures.

pub(super) mod arguments;
pub(super) mod completions;
pub(super) mod failure;
pub(super) mod output;
pub(super) mod span;
pub(super) mod table;
