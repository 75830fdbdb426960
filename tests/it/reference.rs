//! Every page of docs/reference/ lists exactly what the code has.

mod claims;
mod commands;
mod endpoints;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use runmint::config::setting::SETTINGS;
use runmint::config::{Settings, Sources};
use runmint::issuer::claims::COMMON_CLAIMS;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs/reference").join(name)).unwrap()
}

/// The rows of every table whose first column has this title.
fn rows(text: &str, title: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut rows = Vec::new();
    let mut in_table = false;
    let mut wanted = false;
    for line in text.lines() {
        match (line.starts_with('|'), in_table) {
            (true, false) => wanted = cells(line)[0] == title,
            (true, true) if wanted && !line.starts_with("|-") => rows.push(cells(line)),
            _ => {}
        }
        in_table = line.starts_with('|');
    }
    rows
}

/// The text below a heading, up to the next one of its level or above.
fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let (_, below) = text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let level = heading.find(' ').unwrap();
    let end = (1..=level).filter_map(|level| below.find(&format!("\n{} ", "#".repeat(level)))).min();
    &below[..end.unwrap_or(below.len())]
}

/// The inline code of a text without blocks.
fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn uncoded(cell: &str) -> String {
    cell.replace('`', "")
}

/// The only block of TOML on a page.
fn toml_block(text: &str) -> &str {
    let (_, after) = text.split_once("```toml\n").unwrap();
    after.split_once("```").unwrap().0
}

fn load(lines: &str) -> Result<Settings, String> {
    let file = format!("issuer = 'https://id.example.com/oidc'\n{lines}");
    let file = Some(("test".to_owned(), file));
    Settings::load(&Sources { file, ..Sources::default() }).map_err(|error| error.to_string())
}

#[test]
fn the_settings_page_lists_every_setting_with_its_default() {
    let text = page("settings.md");
    let listed: Vec<_> =
        rows(&text, "Setting").iter().map(|row| (uncoded(&row[0]), uncoded(&row[1]))).collect();
    let names: BTreeMap<_, _> = listed.iter().cloned().collect();
    let in_code: BTreeMap<_, _> =
        SETTINGS.iter().map(|setting| (setting.name.to_owned(), setting.default.to_owned())).collect();
    assert_eq!(names, in_code, "docs/reference/settings.md");
    assert_eq!(listed.len(), SETTINGS.len(), "and each once");
}

#[test]
fn the_example_file_has_every_setting() {
    let example = fs::read_to_string(root().join("runmint.example.toml")).unwrap();
    for setting in SETTINGS {
        assert!(example.contains(setting.name), "runmint.example.toml has no `{}`", setting.name);
    }
}

#[test]
fn the_configuration_examples_load() {
    load(toml_block(&page("settings.md"))).map(drop).unwrap();
    let settings = load(toml_block(&page("services.md"))).map(|settings| settings.services).unwrap();
    assert!(settings.named("nightly").is_some());
}

#[test]
fn every_claim_listed_as_reserved_is_refused() {
    let text = page("services.md");
    let (_, bullet) = text.split_once("**Reserved claims**").unwrap();
    let reserved = code(bullet.split_once("\n- ").unwrap().0);
    assert!(COMMON_CLAIMS.iter().all(|claim| reserved.contains(claim)), "{reserved:?}");
    let with_claim = |claim: &str| {
        let service = "[services.mine]\nsubject = '{prefix}:mine:org:{org}'\nattributes = {}\n";
        load(&format!("{service}claims = {{ {claim} = '{{org}}' }}")).map(drop)
    };
    with_claim("not_reserved").unwrap();
    for claim in reserved {
        with_claim(claim).unwrap_err();
    }
}

#[test]
fn the_settings_and_command_line_pages_list_every_other_variable() {
    let mut listed = BTreeSet::new();
    for name in ["settings.md", "command-line.md"] {
        for row in rows(&page(name), "Variable") {
            assert!(listed.insert(uncoded(&row[0])), "{row:?} is listed twice");
        }
    }
    let mut read = BTreeSet::new();
    for folder in ["src", "crates"] {
        variables_in(&root().join(folder), &mut read);
    }
    for setting in SETTINGS {
        read.remove(&setting.variable());
    }
    assert_eq!(listed, read, "docs/reference and the variables named in the code");
}

/// Every `"RUNMINT_…"` in a folder's code, tests apart.
fn variables_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            variables_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let names = code.split("\"RUNMINT_").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0));
            let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            let names = names.filter(|name| !name.is_empty() && name.chars().all(plain));
            found.extend(
                names.filter(|name| !name.starts_with("TEST_")).map(|name| format!("RUNMINT_{name}")),
            );
        }
    }
}
