//! Arguments that several commands take, parsed once.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use uuid::Uuid;

use crate::api::Word;
use crate::api::keys::Algorithm;
use crate::cli::terminal::failure::Failure;
use crate::config::duration::TextDuration;

/// `90s`, `15m`, `12h`, `30d`.
pub(in crate::cli) fn duration(text: &str) -> Result<TextDuration, String> {
    TextDuration::parse(text)
        .ok_or_else(|| "write a whole number and a unit: 90s, 15m, 12h or 30d".to_owned())
}

/// `KEY=VALUE`; the value may hold more equals signs.
pub(in crate::cli) fn attribute(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE, e.g. project=website".to_owned()),
    }
}

/// `RS256` or `ES256`.
pub(in crate::cli) fn algorithm() -> impl TypedValueParser<Value = Word<Algorithm>> {
    PossibleValuesParser::new(["RS256", "ES256"]).map(|name| match name.as_str() {
        "RS256" => Algorithm::Rs256.into(),
        "ES256" => Algorithm::Es256.into(),
        _ => Word::Other(name),
    })
}

/// An id. Not a parser for clap, which repeats refused text: people paste secrets where ids belong.
pub(in crate::cli) fn id(text: &str) -> Result<Uuid, Failure> {
    Uuid::parse_str(text).map_err(|_| {
        Failure::usage(if text.starts_with("rmat_") || text.starts_with("rmrt_") {
            "this is a secret, not an id; `list` shows the ids"
        } else {
            "not a valid id: an id is a UUID such as d23f0824-128b-4f33-8c5c-7fd0a6a3a450; `list` shows the ids"
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_ends_its_key_at_the_first_equals_sign() {
        assert_eq!(attribute("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(attribute("a="), Ok(("a".into(), String::new())));
        assert!(attribute("a").is_err());
        assert!(attribute("=b").is_err());
    }

    #[test]
    fn an_id_cannot_change_a_path() {
        assert!(id("d23f0824-128b-4f33-8c5c-7fd0a6a3a450").is_ok());
        for bad in ["", "..", "a/b", "d23f0824-128b-4f33-8c5c-7fd0a6a3a450/finish", "?x", "%2e"] {
            assert!(id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_in_place_of_an_id_is_not_repeated() {
        let secret = "rmat_fi5Rot0yOmA8WEuT7VlfswM5AQ9tciY2VMnAyW0fgze2yZn1U";
        assert!(!format!("{:?}", id(secret).unwrap_err()).contains(secret));
    }
}
