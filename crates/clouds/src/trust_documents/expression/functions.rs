//! Functions that relying parties add to the language.

use std::sync::Arc;

use cel::extractors::This;
use cel::{ExecutionError, ResolveResult};

/// The most parts of a text that is split.
const MAX_PARTS: usize = 200;

/// `project:{x}:stack` extracts the text between the first `project:` and the next `:stack`; the result is empty if
/// it is not found (Google Cloud, "IAM Conditions attribute reference", `extract`).
#[expect(clippy::needless_pass_by_value, reason = "the signature that the interpreter calls")]
pub(super) fn extract(This(text): This<Arc<String>>, template: Arc<String>) -> ResolveResult {
    let broken = || ExecutionError::function_error("extract", "the template needs exactly one `{name}`");
    let (before, rest) = template.split_once('{').ok_or_else(broken)?;
    let (name, after) = rest.split_once('}').ok_or_else(broken)?;
    if name.is_empty() || after.contains(['{', '}']) {
        return Err(broken());
    }
    let Some(start) = text.find(before).map(|at| at + before.len()) else { return Ok(String::new().into()) };
    let end =
        if after.is_empty() { Some(text.len()) } else { text[start..].find(after).map(|at| start + at) };
    Ok(end.map_or_else(String::new, |end| text[start..end].to_owned()).into())
}

pub(super) fn split(text: &str, separator: &str) -> Option<Vec<String>> {
    let parts: Vec<String> = text.split(separator).take(MAX_PARTS + 1).map(str::to_owned).collect();
    (parts.len() <= MAX_PARTS).then_some(parts)
}
