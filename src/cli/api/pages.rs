//! Lists that come in pages.

use serde_json::{Value, json};

use crate::cli::api::client::{Client, with_query};
use crate::cli::terminal::failure::Failure;

/// The most entries that the server puts on one page.
const LARGEST_PAGE: usize = 200;

/// One list of the server.
pub(in crate::cli) struct List<'a> {
    pub(in crate::cli) path: &'a str,
    /// The member of each page that holds its entries.
    pub(in crate::cli) member: &'a str,
    pub(in crate::cli) filters: &'a [(&'a str, &'a str)],
}

impl List<'_> {
    /// The first `wanted` entries, or all; in the shape of a single page.
    pub(in crate::cli) async fn fetch(
        &self,
        client: &Client,
        wanted: Option<usize>,
    ) -> Result<Value, Failure> {
        let mut entries: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let missing = wanted.map_or(LARGEST_PAGE, |wanted| wanted - entries.len());
            let page = client.get(&self.page_path(missing, cursor.as_deref())).await?;
            let (found, next) = self.read(page)?;
            let stuck = next.is_some() && (found.is_empty() || next == cursor);
            if stuck {
                return Err(Failure::failed("the server's pages do not end: is this runmint?"));
            }
            entries.extend(found);
            cursor = next;
            let enough = wanted.is_some_and(|wanted| entries.len() >= wanted);
            if cursor.is_none() || enough {
                return Ok(json!({self.member: entries, "next_cursor": cursor}));
            }
        }
    }

    fn page_path(&self, missing: usize, cursor: Option<&str>) -> String {
        let limit = missing.min(LARGEST_PAGE).to_string();
        let mut pairs = self.filters.to_vec();
        pairs.push(("limit", &limit));
        pairs.extend(cursor.map(|cursor| ("cursor", cursor)));
        with_query(self.path, &pairs)
    }

    fn read(&self, mut page: Value) -> Result<(Vec<Value>, Option<String>), Failure> {
        let next = page["next_cursor"].as_str().map(str::to_owned);
        match page.get_mut(self.member).map(Value::take) {
            Some(Value::Array(found)) => Ok((found, next)),
            _ => Err(Failure::failed("the answer is not a list: is this runmint?")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_cannot_change_the_question() {
        let list =
            List { path: "/api/orgs/acme/runs", member: "runs", filters: &[("subject", "a&b=c d#é")] };
        assert_eq!(
            list.page_path(1_000, Some("x/?")),
            "/api/orgs/acme/runs?subject=a%26b%3Dc+d%23%C3%A9&limit=200&cursor=x%2F%3F"
        );
        assert!(list.page_path(7, None).ends_with("&limit=7"));
    }

    #[test]
    fn an_answer_of_another_shape_is_refused() {
        let list = List { path: "/", member: "runs", filters: &[] };
        assert!(list.read(json!({"runs": [], "next_cursor": null})).is_ok());
        for strange in [json!([]), json!("runs"), json!(null), json!({}), json!({"runs": {}})] {
            assert!(list.read(strange).is_err());
        }
    }
}
