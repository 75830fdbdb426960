//! Query strings: every name known, none twice. A mistyped `audience` must not mint a token for the
//! default one.

use url::form_urlencoded;
use uuid::Uuid;

use super::problem::Problem;
use crate::domain::page::{DEFAULT_PAGE, MAX_PAGE, PageRequest};

pub struct Query(Vec<(String, String)>);

impl Query {
    /// Parses `raw`, in which only the names in `known` may occur.
    pub fn parse(raw: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let raw = raw.unwrap_or_default();
        require_utf8(raw)?;
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let known = known.join(", ");
                return Err(Problem::bad_request(format!(
                    "Unknown query parameter `{name}`. This operation accepts: {known}."
                )));
            }
            if pairs.iter().any(|(seen, _)| *seen == name) {
                return Err(Problem::bad_request(format!("Query parameter `{name}` appears twice.")));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    pub fn number(&self, name: &str) -> Result<Option<i64>, Problem> {
        let parse = |text: &str| {
            text.parse().map_err(|_| Problem::bad_request(format!("`{name}` must be a whole number.")))
        };
        self.text(name).map(parse).transpose()
    }

    /// `limit` and `cursor`.
    pub fn page(&self) -> Result<PageRequest, Problem> {
        let limit = match self.number("limit")? {
            None => DEFAULT_PAGE,
            Some(limit) => u32::try_from(limit)
                .ok()
                .filter(|limit| (1..=MAX_PAGE).contains(limit))
                .ok_or_else(|| Problem::bad_request(format!("`limit` must be 1 to {MAX_PAGE}.")))?,
        };
        let cursor = self.text("cursor").map(|text| {
            Uuid::parse_str(text).map_err(|_| {
                Problem::bad_request(
                    "`cursor` did not come from this server: send a `next_cursor` unchanged.",
                )
            })
        });
        Ok(PageRequest { limit, before: cursor.transpose()? })
    }
}

/// A place in a list as `next_cursor` says it.
pub fn cursor(next: Option<Uuid>) -> Option<String> {
    next.map(|id| id.to_string())
}

/// Undecodable bytes would otherwise silently become U+FFFD.
fn require_utf8(raw: &str) -> Result<(), Problem> {
    match percent_encoding::percent_decode_str(raw).decode_utf8() {
        Ok(_) => Ok(()),
        Err(_) => Err(Problem::bad_request("The query is not valid UTF-8.")),
    }
}
