//! How long the files and functions of the house are, tests apart.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Longer than this, a file is split along its seams or is named below.
const MOST_LINES: usize = 300;

/// The files that are longer, and why each is one.
const LONGER: &[(&str, &str)] = &[
    (
        "src/store/key_changes.rs",
        "every change of a key is one transaction that counts the revision up and checks the same rule",
    ),
    (
        "src/store/exchanges.rs",
        "an exchange is one transaction; its statements and its records are read together",
    ),
    (
        "crates/clouds/src/trust_documents/kubernetes.rs",
        "one document: its form as written, as parsed, and its evaluation",
    ),
    (
        "crates/clouds/src/trust_documents/expression.rs",
        "one interpreter and the bounds that keep it from being exhausted",
    ),
];

#[test]
fn a_file_has_at_most_three_hundred_lines_or_a_reason() {
    let files = files();
    let long: BTreeMap<&str, usize> =
        files.iter().map(|file| (&*file.path, file.lines)).filter(|(_, lines)| *lines > MOST_LINES).collect();
    let unnamed: Vec<_> =
        long.iter().filter(|(path, _)| LONGER.iter().all(|(named, _)| named != *path)).collect();
    assert!(unnamed.is_empty(), "split these, or name them with a reason: {unnamed:#?}");
    for (named, _) in LONGER {
        assert!(long.contains_key(named), "{named} has at most {MOST_LINES} lines: strike it from the list");
    }
    let lines = sorted(files.iter().map(|file| file.lines));
    let functions = sorted(files.iter().flat_map(|file| file.functions.iter().copied()));
    assert!(lines.len() > 300 && functions.len() > 1_000, "the test reads the code");
    eprintln!(
        "counted: house: {} files, {} lines; {}",
        lines.len(),
        lines.iter().sum::<usize>(),
        spread(&lines)
    );
    eprintln!(
        "counted: house: {} functions; {}; over 40 lines {}, over 60 lines {}",
        functions.len(),
        spread(&functions),
        functions.iter().filter(|lines| **lines > 40).count(),
        functions.iter().filter(|lines| **lines > 60).count(),
    );
}

struct File {
    path: String,
    lines: usize,
    /// The length of each function, from its signature to its closing brace.
    functions: Vec<usize>,
}

/// Every file in `src` and in the sources of the crates, as far as its tests.
fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join("src"), &mut paths);
    for member in fs::read_dir(root.join("crates")).unwrap() {
        collect(&member.unwrap().path().join("src"), &mut paths);
    }
    paths
        .iter()
        .map(|path| measured(path.strip_prefix(root).unwrap(), &fs::read_to_string(path).unwrap()))
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_owned();
        if name == "tests" {
            continue;
        }
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn measured(path: &Path, text: &str) -> File {
    // Tests come last in a file: another test sees to it.
    let code: Vec<&str> = text.lines().take_while(|line| *line != "#[cfg(test)]").collect();
    let mut functions = Vec::new();
    for (start, line) in code.iter().enumerate() {
        let inner = line.trim_start();
        if !opens_a_function(inner) {
            continue;
        }
        // As rustfmt writes it: the closing brace is as far in as the signature. One in a trait has no body.
        let end = format!("{}}}", &line[..line.len() - inner.len()]);
        let signature = code[start..].iter().position(|line| line.ends_with(['{', ';', '}']));
        if signature.is_some_and(|last| code[start + last].ends_with('{')) {
            functions.extend(code[start..].iter().position(|line| *line == end).map(|last| last + 1));
        }
    }
    File { path: path.display().to_string(), lines: code.len(), functions }
}

fn opens_a_function(line: &str) -> bool {
    let mut words = line.split(' ').skip_while(|word| {
        word.starts_with("pub") || ["in", "async", "const"].contains(word) || word.ends_with(')')
    });
    words.next() == Some("fn")
}

fn sorted(lengths: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut lengths: Vec<usize> = lengths.collect();
    lengths.sort_unstable();
    lengths
}

fn spread(sorted: &[usize]) -> String {
    let at = |percent: usize| sorted[(sorted.len() - 1) * percent / 100];
    format!("median {}, p95 {}, max {}", at(50), at(95), at(100))
}
