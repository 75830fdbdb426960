//! The two documents that say where things are, docs/architecture.md and CONTRIBUTING.md: they name every room, wing
//! and crate, and the paths in them exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 2] = ["docs/architecture.md", "CONTRIBUTING.md"];
/// Made by builds, so absent from a fresh checkout.
const MADE: &str = "target/";

#[test]
fn every_room_wing_and_crate_is_named() {
    let places = [entries("src", ""), entries("src/cli", "cli/"), entries("crates", "crates/")].concat();
    assert!(places.len() > 25, "the test finds them: {places:?}");
    for document in DOCUMENTS {
        let text = read(document);
        let named: BTreeSet<_> = code(&text).collect();
        let missing: Vec<_> = places.iter().filter(|place| !named.contains(place.as_str())).collect();
        assert!(missing.is_empty(), "{document} does not name {missing:?}");
    }
}

#[test]
fn the_tables_of_the_architecture_have_one_row_for_each() {
    let text = read("docs/architecture.md");
    for (title, folder, prefix) in
        [("Room", "src", ""), ("Wing", "src/cli", "cli/"), ("Crate", "crates", "crates/")]
    {
        let mut listed = first_column(&text, title);
        listed.sort();
        assert_eq!(listed, entries(folder, prefix), "the table with the column {title}");
    }
}

#[test]
fn every_path_exists() {
    for document in DOCUMENTS {
        let text = read(document);
        let paths: Vec<_> = code(&text).filter(|code| is_path(code)).collect();
        assert!(paths.len() > 5, "the test finds them: {paths:?}");
        let gone: Vec<_> = paths.into_iter().filter(|path| !exists(path)).collect();
        assert!(gone.is_empty(), "{document} mentions {gone:?}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The modules or crates in a folder, in order.
fn entries(folder: &str, prefix: &str) -> Vec<String> {
    let names: BTreeSet<_> = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() || path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !["lib", "main", "mod"].contains(&name.as_str()))
        .collect();
    names.into_iter().map(|name| format!("{prefix}{name}")).collect()
}

/// The inline code of a text without its blocks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2))
}

/// The first cells of the table whose first column has this title.
fn first_column(text: &str, title: &str) -> Vec<String> {
    let first = |line: &str| line.split('|').nth(1).map(|cell| cell.trim().replace('`', ""));
    let table = text.lines().skip_while(|line| first(line).as_deref() != Some(title));
    table.skip(2).map_while(first).collect()
}

/// Not a command, an address or a media type.
fn is_path(code: &str) -> bool {
    let is_written_as_one =
        code.chars().all(|c| c.is_ascii_alphanumeric() || ['_', '-', '.', '/'].contains(&c));
    let is_file = [".md", ".rs", ".toml", ".yaml"].iter().any(|extension| code.ends_with(extension));
    is_written_as_one && (is_file || code.contains('/')) && !code.starts_with(['/', '.'])
}

/// From the top of the checkout, or from a room: `flows/start_run` is src/flows/start_run.rs.
fn exists(path: &str) -> bool {
    let (room, rest) = path.split_once('/').unwrap_or((path, ""));
    let places: [PathBuf; 3] = [
        root().join(path),
        root().join("src").join(path),
        root().join("crates").join(room).join("src").join(rest),
    ];
    let is_there = |place: &PathBuf| place.exists() || place.with_extension("rs").exists();
    path.starts_with(MADE) || places.iter().any(is_there)
}
