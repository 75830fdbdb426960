//! Arrows between the rooms point one way, no files go round in a circle, and tests come last.

mod circles;
mod source;

use std::path::{Path, PathBuf};

use circles::circles;
use source::{ModulePath, modules};

/// Each room of the main crate, and the rooms it may use. Those that know least come first. The wings of the
/// command line are rooms of their own.
const ROOMS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("entropy", &[]),
    ("opaque_token", &["entropy"]),
    ("private_file", &[]),
    // Crates of their own.
    ("issuer", &[]),
    ("trust", &[]),
    ("clouds", &[]),
    ("signing", &["entropy", "private_file"]),
    ("upstream", &["clock", "trust"]),
    ("config", &["issuer", "signing"]),
    ("publication", &["issuer", "signing"]),
    ("copies", &[]),
    ("domain", &["issuer", "signing"]),
    ("api", &["clouds", "domain", "issuer", "trust"]),
    ("store", &["clock", "domain", "issuer", "opaque_token", "signing"]),
    ("serving", &["domain", "issuer", "publication", "signing"]),
    ("run_cache", &["domain", "opaque_token"]),
    ("exchange_limits", &["trust"]),
    (
        "app",
        &[
            "clock",
            "config",
            "copies",
            "domain",
            "entropy",
            "exchange_limits",
            "issuer",
            "run_cache",
            "serving",
            "signing",
            "store",
            "upstream",
        ],
    ),
    (
        "flows",
        &[
            "app",
            "clouds",
            "config",
            "copies",
            "domain",
            "entropy",
            "exchange_limits",
            "issuer",
            "opaque_token",
            "publication",
            "serving",
            "signing",
            "store",
            "trust",
            "upstream",
        ],
    ),
    (
        "http",
        &["api", "app", "clouds", "domain", "flows", "issuer", "publication", "serving", "signing", "trust"],
    ),
    (
        "launch",
        &[
            "app",
            "clock",
            "config",
            "copies",
            "domain",
            "entropy",
            "flows",
            "http",
            "private_file",
            "signing",
            "store",
        ],
    ),
    ("cli/terminal", &["api", "clock", "clouds", "config", "issuer"]),
    ("cli/api", &["api", "cli/terminal", "clock", "config", "entropy", "issuer", "private_file", "trust"]),
    (
        "cli/server",
        &[
            "api",
            "app",
            "cli/api",
            "cli/terminal",
            "clock",
            "config",
            "domain",
            "entropy",
            "flows",
            "issuer",
            "launch",
            "opaque_token",
            "signing",
            "store",
            "trust",
        ],
    ),
    (
        "cli/admin",
        &[
            "cli/api",
            "cli/terminal",
            "clock",
            "api",
            "clouds",
            "config",
            "domain",
            "issuer",
            "copies",
            "trust",
        ],
    ),
    (
        "cli/clouds",
        &[
            "cli/admin",
            "cli/api",
            "cli/terminal",
            "api",
            "clock",
            "clouds",
            "config",
            "entropy",
            "issuer",
            "signing",
            "trust",
        ],
    ),
    ("cli", &["cli/admin", "cli/api", "cli/clouds", "cli/server", "cli/terminal", "domain"]),
];

#[test]
fn every_room_uses_only_the_rooms_below_it() {
    let modules = modules(&root().join("src"));
    let (mut arrows, mut breaches) = (0, Vec::new());
    for (path, module) in &modules {
        let Some(room) = room_of(path) else { continue };
        let (_, allowed) =
            ROOMS.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("no room {room}"));
        for used in module.named.iter().filter_map(room_of) {
            arrows += 1;
            if used != room && !allowed.contains(&used.as_str()) {
                breaches.push(format!("{} uses the room `{used}`", module.file.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
    assert!(arrows > 1_000, "the test reads the code: {arrows} arrows");
}

/// A module without a room would use what it likes.
#[test]
fn every_module_is_in_a_room_and_every_room_exists() {
    let modules = modules(&root().join("src"));
    let roomless: Vec<_> = modules.keys().filter(|path| !is_root(path) && room_of(path).is_none()).collect();
    assert!(roomless.is_empty(), "not in the list: {roomless:?}");
    let exists = |room: &str| {
        let path: ModulePath = room.split('/').map(str::to_owned).collect();
        modules.contains_key(&path) || root().join("crates").join(room).exists()
    };
    let gone: Vec<_> = ROOMS.iter().map(|(room, _)| *room).filter(|room| !exists(room)).collect();
    assert!(gone.is_empty(), "only in the list: {gone:?}");
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let found: Vec<_> = crates().iter().flat_map(|src| circles(&modules(src))).collect();
    let named: Vec<Vec<String>> =
        found.iter().map(|circle| circle.iter().map(|path| path.join("/")).collect()).collect();
    assert!(named.is_empty(), "{named:#?}");
}

/// Otherwise a reader, and a tool that reads up to the tests, takes what follows for tests.
#[test]
fn tests_come_last_in_a_file() {
    let mut read = 0;
    for src in crates() {
        for module in modules(&src).values() {
            read += 1;
            assert!(!module.has_code_after_tests, "{}: code follows the tests", module.file.display());
        }
    }
    assert!(read > 300, "the test reads the code: {read} files");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The source folder of each crate.
fn crates() -> Vec<PathBuf> {
    let members = std::fs::read_dir(root().join("crates")).unwrap();
    // What tests share is not part of the house.
    let members = members.map(|member| member.unwrap().path()).filter(|path| !path.ends_with("testing"));
    let members = members.map(|path| path.join("src"));
    [root().join("src")].into_iter().chain(members).collect()
}

/// The files that put the rooms together.
fn is_root(path: &ModulePath) -> bool {
    path.is_empty() || path == &["main"]
}

/// The room that a path from the crate's root leads to.
fn room_of(path: &ModulePath) -> Option<String> {
    let name = match path.as_slice() {
        [first, second, ..] if first == "cli" && is_room(&format!("cli/{second}")) => format!("cli/{second}"),
        [first, ..] => first.clone(),
        [] => return None,
    };
    is_room(&name).then_some(name)
}

fn is_room(name: &str) -> bool {
    ROOMS.iter().any(|(room, _)| *room == name)
}
