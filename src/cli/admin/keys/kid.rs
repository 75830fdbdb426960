//! Ids of keys as arguments.

/// A key's id. It may begin with a hyphen, so its argument allows hyphens.
pub(super) fn kid(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with("--") {
        return Ok(text.to_owned());
    }
    Err("not a valid key id: use letters, digits, `-` and `_`; `runmint keys list` shows the ids".to_owned())
}
