//! Known errors of relying parties and their clients, with explanations. The texts are data files beside this one, one
//! for each relying party.

use std::sync::LazyLock;

use regex_lite::Regex;
use serde::Deserialize;

/// Longer texts are refused, in bytes.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    says: Vec<String>,
    values: Option<String>,
    means: String,
    change: String,
    sample: String,
}

/// An error with its explanation.
#[derive(Debug)]
pub struct KnownError {
    /// A stable name for scripts, e.g. `entra-subject`.
    pub id: String,
    says: Vec<String>,
    values: Option<Regex>,
    /// The cause, in one or two sentences.
    pub means: String,
    /// The remedy.
    pub change: String,
    /// A real error of this kind, which the tests recognise.
    pub sample: String,
}

/// A value that an error's text quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// `expected_aud`, `found_sub`, `claim`, …
    pub name: String,
    pub value: String,
}

const FILES: [&str; 6] = [
    include_str!("aws.toml"),
    include_str!("azure.toml"),
    include_str!("google.toml"),
    include_str!("kubernetes.toml"),
    include_str!("tools.toml"),
    include_str!("vault.toml"),
];

static KNOWN: LazyLock<Vec<KnownError>> = LazyLock::new(|| FILES.into_iter().flat_map(read).collect());

fn read(text: &str) -> Vec<KnownError> {
    let written: indexmap::IndexMap<String, Written> = toml::from_str(text).expect("the known errors parse");
    let known = |(id, written): (String, Written)| KnownError {
        id,
        says: written.says.iter().map(|part| part.to_lowercase()).collect(),
        values: written.values.map(|regex| Regex::new(&regex).expect("their patterns parse")),
        means: written.means,
        change: written.change,
        sample: written.sample,
    };
    written.into_iter().map(known).collect()
}

/// The known error that matches the text most specifically. Line breaks, case and escaped quotes do not matter.
pub fn recognise(text: &str) -> Option<&'static KnownError> {
    // Clients wrap and escape error texts.
    let text = plain(text).to_lowercase();
    KNOWN.iter().filter(|one| one.is_in(&text)).max_by_key(|one| one.specificity())
}

impl KnownError {
    fn is_in(&self, lower: &str) -> bool {
        self.says.iter().all(|part| lower.contains(part))
    }

    fn specificity(&self) -> usize {
        self.says.iter().map(String::len).sum()
    }

    /// The values that the text quotes; empty if it quotes none.
    pub fn quoted(&self, text: &str) -> Vec<Quoted> {
        let Some(regex) = &self.values else { return Vec::new() };
        let text = plain(text);
        let Some(found) = regex.captures(&text) else { return Vec::new() };
        let named = regex.capture_names().flatten();
        named
            .filter_map(|name| {
                let value = found.name(name)?.as_str().trim().to_owned();
                Some(Quoted { name: name.to_owned(), value })
            })
            .collect()
    }
}

/// On one line, with quotation marks unescaped.
fn plain(text: &str) -> String {
    let text =
        text.replace("\\\"", "\"").replace("\\'", "'").replace("\\u0027", "'").replace(['’', '‘'], "'");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_recognised_as_itself_and_nothing_else_as_specific() {
        assert!(KNOWN.len() > 60, "{}", KNOWN.len());
        for one in KNOWN.iter() {
            let text = plain(&one.sample).to_lowercase();
            let mut fitting: Vec<&KnownError> = KNOWN.iter().filter(|other| other.is_in(&text)).collect();
            fitting.sort_by_key(|other| std::cmp::Reverse(other.specificity()));
            assert_eq!(fitting.first().map(|first| first.id.as_str()), Some(one.id.as_str()));
            if let [first, second, ..] = fitting.as_slice() {
                assert!(first.specificity() > second.specificity(), "{} and {}", first.id, second.id);
            }
            let wrapped =
                format!("2026-11-21T10:00:00Z ERROR\n  {}\n  at main.rs:1", one.sample.replace(' ', "\n   "));
            assert_eq!(recognise(&wrapped).map(|found| found.id.as_str()), Some(one.id.as_str()));
            assert_eq!(
                one.values.is_some(),
                !one.quoted(&one.sample).is_empty(),
                "{}: its sample quotes values",
                one.id
            );
            let ids = KNOWN.iter().filter(|other| other.id == one.id).count();
            assert_eq!(ids, 1, "{}", one.id);
            assert!(one.means.ends_with('.') && one.change.ends_with(['.', '?']), "{}", one.id);
        }
    }

    #[test]
    fn values_are_taken_from_the_text() {
        let text = r#"{"error_description":"AADSTS700213: No matching federated identity record found for presented assertion subject 'a:b'. Check"}"#;
        let found = recognise(text).unwrap();
        assert_eq!(found.id, "entra-subject");
        assert_eq!(found.quoted(text), [Quoted { name: "found_sub".into(), value: "a:b".into() }]);
    }

    #[test]
    fn an_unknown_error_is_not_guessed() {
        for text in
            ["", "it failed", "AADSTS999999: what?", "AADSTS700219: new", "AccessDenied", "401 Unauthorized"]
        {
            assert!(recognise(text).is_none(), "{text}");
        }
    }
}
