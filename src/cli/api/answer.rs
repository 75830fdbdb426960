//! Answers of the server, as they came and as types.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::terminal::failure::Failure;
use crate::cli::terminal::output::{self, Format, safe};

/// One answer in both forms.
pub(in crate::cli) struct Answer<T> {
    /// Whole, with the members that this version does not know: for scripts.
    pub(in crate::cli) raw: Value,
    pub(in crate::cli) parsed: T,
}

impl<T: DeserializeOwned> Answer<T> {
    /// The error says which member is missing or has another form.
    pub(in crate::cli) fn read(raw: Value) -> Result<Self, String> {
        if !raw.is_object() {
            return Err("it is not a JSON object".to_owned());
        }
        match T::deserialize(&raw) {
            Ok(parsed) => Ok(Self { raw, parsed }),
            Err(error) => Err(without_text(&safe(&error.to_string()))),
        }
    }
}

impl<T> Answer<T> {
    /// The raw answer as JSON, or `text` of the parsed one.
    pub(in crate::cli) fn print(
        &self,
        format: Format,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        output::print(format, &self.raw, |_| text(&self.parsed))
    }
}

/// A text where another type was expected may be a token, so it is not repeated.
fn without_text(error: &str) -> String {
    let found = error.split_once("string \"");
    match found.and_then(|(before, rest)| Some((before, rest.rsplit_once('"')?.1))) {
        Some((before, after)) => format!("{before}a string{after}"),
        None => error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::id_token::IdToken;

    #[test]
    fn an_answer_keeps_members_of_a_newer_server() {
        let raw = json!({"count": 1, "value": "a.b.c", "later": true});
        let answer = Answer::<IdToken>::read(raw.clone()).ok().unwrap();
        assert_eq!((answer.parsed.value.as_str(), answer.raw), ("a.b.c", raw));
    }

    #[test]
    fn a_missing_member_is_named_and_a_text_is_not_repeated() {
        let why = |raw: Value| Answer::<IdToken>::read(raw).err().unwrap();
        assert_eq!(why(json!({"count": 1})), "missing field `value`");
        assert_eq!(why(json!({"count": "a \"secret\""})), "invalid type: a string, expected u32");
        assert_eq!(why(json!([1, "secret"])), "it is not a JSON object");
    }
}
