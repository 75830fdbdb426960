//! Arrows between the rooms point one way.

use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms it may use. What comes first knows least.
const ROOMS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("entropy", &[]),
    ("hex", &[]),
    ("secret", &["entropy", "hex"]),
    ("secret_file", &[]),
    ("issuer", &[]),
    ("signing", &["entropy", "hex", "secret_file"]),
    ("trust", &[]),
    ("upstream", &["clock", "hex", "trust"]),
    ("clouds", &["hex", "issuer"]),
    ("config", &["issuer", "signing"]),
    ("publication", &["issuer", "signing"]),
    ("publishing", &[]),
    ("api", &["clouds", "issuer", "trust"]),
    ("store", &["clock", "issuer", "secret", "signing"]),
    ("served", &["issuer", "publication", "signing"]),
    (
        "app",
        &[
            "clock",
            "config",
            "entropy",
            "issuer",
            "publishing",
            "secret",
            "served",
            "signing",
            "store",
            "trust",
            "upstream",
        ],
    ),
    (
        "flows",
        &[
            "app",
            "clouds",
            "config",
            "entropy",
            "issuer",
            "publication",
            "publishing",
            "secret",
            "served",
            "hex",
            "signing",
            "store",
            "trust",
            "upstream",
        ],
    ),
    ("http", &["api", "app", "clouds", "flows", "issuer", "publication", "served", "signing", "store", "trust"]),
    (
        "launch",
        &[
            "app",
            "clock",
            "config",
            "entropy",
            "flows",
            "http",
            "publishing",
            "secret_file",
            "signing",
            "store",
        ],
    ),
    (
        "cli",
        &[
            "api",
            "app",
            "clock",
            "clouds",
            "config",
            "entropy",
            "flows",
            "issuer",
            "launch",
            "publishing",
            "secret",
            "secret_file",
            "store",
            "signing",
            "trust",
        ],
    ),
];

fn source_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_room_uses_only_the_rooms_below_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&src, &mut files);
    let mut arrows = 0;
    for file in &files {
        let relative = file.strip_prefix(&src).unwrap().with_extension("");
        let room = relative.iter().next().unwrap().to_str().unwrap();
        if matches!(room, "lib" | "main") {
            continue;
        }
        let (_, allowed) =
            ROOMS.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("no room {room}"));
        let text = fs::read_to_string(file).unwrap();
        // Tests inside a file may look anywhere below.
        let code = text.split("#[cfg(test)]").next().unwrap();
        for line in code.lines() {
            for (_, rest) in line.match_indices("crate::").map(|(at, _)| line.split_at(at + "crate::".len()))
            {
                let used: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                arrows += 1;
                assert!(used == room || allowed.contains(&used.as_str()), "{}: {line}", file.display());
            }
        }
    }
    assert!(arrows > 100, "the test reads the code: {arrows} arrows");
}

/// `fuzz/` builds the room `trust` by itself, outside the workspace, where nothing else would notice that it does
/// not compile any more.
#[test]
fn what_is_fuzzed_has_the_crates_that_it_uses() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let [ours, fuzzed] =
        ["Cargo.toml", "fuzz/Cargo.toml"].map(|path| fs::read_to_string(root.join(path)).unwrap());
    let mut files = Vec::new();
    source_files(&root.join("src/trust"), &mut files);
    // Tests do not go along.
    files.retain(|file| !file.iter().any(|part| part == "tests") && !file.ends_with("tests.rs"));
    let code: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let mut used = 0;
    for line in ours
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .take_while(|line| *line != "[dev-dependencies]")
    {
        let Some((name, _)) = line.split_once(" = ") else { continue };
        let path = format!("{}::", name.replace('-', "_"));
        let code = code.iter().map(|text| text.split("#[cfg(test)]").next().unwrap());
        let mut found = code.flat_map(|text| text.match_indices(&path).map(move |(at, _)| &text[..at]));
        if found.any(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')) {
            used += 1;
            assert!(fuzzed.lines().any(|other| other == line), "fuzz/Cargo.toml lacks `{line}`");
        }
    }
    assert!(used > 5, "the test reads the code: {used} crates");
}
