//! Lists that come in pages.

use serde_json::{Value, json};

use crate::api::page::Page;
use crate::cli::api::answer::Answer;
use crate::cli::api::client::{Client, with_query};
use crate::cli::terminal::failure::Failure;

/// The most entries that the server puts on one page.
const LARGEST_PAGE: usize = 200;

/// One list of the server.
pub(in crate::cli) struct List<'a> {
    pub(in crate::cli) path: &'a str,
    pub(in crate::cli) filters: &'a [(&'a str, &'a str)],
}

impl List<'_> {
    /// The first `wanted` entries, or all; in the shape of a single page.
    pub(in crate::cli) async fn fetch<P: Page>(
        &self,
        client: &Client,
        wanted: Option<usize>,
    ) -> Result<Answer<P>, Failure> {
        let mut entries: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let missing = wanted.map_or(LARGEST_PAGE, |wanted| wanted - entries.len());
            let page = client.get::<P>(&self.page_path(missing, cursor.as_deref())).await?;
            let (_, next) = page.parsed.into_parts();
            let found = raw_entries::<P>(page.raw);
            let stuck = next.is_some() && (found.is_empty() || next == cursor);
            if stuck {
                return Err(Failure::failed(
                    "could not read the list: the server's pages do not end; check the server's URL",
                ));
            }
            entries.extend(found);
            cursor = next;
            let enough = wanted.is_some_and(|wanted| entries.len() >= wanted);
            if cursor.is_none() || enough {
                let whole = json!({P::MEMBER: entries, "next_cursor": cursor});
                return Answer::read(whole).map_err(Failure::failed);
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
}

fn raw_entries<P: Page>(mut page: Value) -> Vec<Value> {
    match page.get_mut(P::MEMBER).map(Value::take) {
        Some(Value::Array(entries)) => entries,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_cannot_change_the_question() {
        let list = List { path: "/api/orgs/acme/runs", filters: &[("subject", "a&b=c d#é")] };
        assert_eq!(
            list.page_path(1_000, Some("x/?")),
            "/api/orgs/acme/runs?subject=a%26b%3Dc+d%23%C3%A9&limit=200&cursor=x%2F%3F"
        );
        assert!(list.page_path(7, None).ends_with("&limit=7"));
    }
}
