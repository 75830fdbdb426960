//! Documents that are replaced whole, and only in the version that the caller saw.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::cli::api::answer::Answer;
use crate::cli::api::client::Client;
use crate::cli::terminal::failure::Failure;

pub(in crate::cli) struct Versioned<'a> {
    pub(in crate::cli) path: &'a str,
    /// The member that holds the content.
    pub(in crate::cli) member: &'a str,
}

/// Every such document has a version.
#[derive(Deserialize)]
struct Present {
    version: i64,
}

impl Versioned<'_> {
    /// Replaces the version that `document` names, or else the current one, by its content, which the server checks.
    pub(in crate::cli) async fn replace<T: DeserializeOwned>(
        &self,
        client: &Client,
        document: Value,
    ) -> Result<Answer<T>, Failure> {
        let (version, content) = self.read(document)?;
        let version = match version {
            Some(version) => version,
            None => client.get::<Present>(self.path).await?.parsed.version.into(),
        };
        client.put(self.path, &json!({"version": version, self.member: content})).await
    }

    fn read(&self, document: Value) -> Result<(Option<Value>, Value), Failure> {
        let wrong = || {
            Failure::usage(format!("could not read the file: it is not a JSON object with `{}`", self.member))
        };
        let Value::Object(mut members) = document else { return Err(wrong()) };
        let content = members.shift_remove(self.member).ok_or_else(wrong)?;
        let version = members.shift_remove("version");
        // `show` prints it, too.
        members.shift_remove("modified_at");
        refuse_others(&members)?;
        Ok((version, content))
    }
}

fn refuse_others(members: &Map<String, Value>) -> Result<(), Failure> {
    match members.keys().next() {
        Some(name) => Err(Failure::usage(format!("could not read the file: `{name}` is not a known member"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_that_show_prints_is_accepted_and_nothing_unknown() {
        let document = Versioned { path: "/", member: "settings" };
        let shown = json!({"version": 3, "settings": [], "modified_at": "x"});
        assert_eq!(document.read(shown).ok(), Some((Some(json!(3)), json!([]))));
        assert_eq!(document.read(json!({"settings": [1]})).ok(), Some((None, json!([1]))));
        for strange in [json!([]), json!({}), json!({"settings": [], "setings": []}), json!(null)] {
            assert!(document.read(strange).is_err());
        }
    }
}
