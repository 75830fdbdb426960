//! The commands in README.md work as written, and every relative link in the documents resolves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::Process;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// The commands to start with, the first token, the first cloud.
fn blocks() -> [String; 3] {
    let readme = readme();
    let blocks: Vec<String> = readme
        .split("\n```sh\n")
        .skip(1)
        .map(|rest| rest.split_once("\n```").unwrap().0.to_owned())
        .collect();
    blocks.try_into().unwrap()
}

fn dev(folder: &TempDir, arguments: &[&str]) -> Process {
    Process::start(folder.path(), &[arguments, &["--listen", "127.0.0.1:0"]].concat(), &[])
}

/// Runs a block in the folder of a running `dev`, up to the first command that fails.
fn follow(folder: &TempDir, block: &str) -> Output {
    let shown: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("shown.json")).unwrap()).unwrap();
    let folder_of_program = Path::new(env!("CARGO_BIN_EXE_runmint")).parent().unwrap().display();
    let path = format!("{}:{folder_of_program}:{}", folder.path().display(), "/usr/local/bin:/usr/bin:/bin");
    let mut shell = Command::new("bash");
    shell.args(["-e", "-o", "pipefail", "-c", block]).current_dir(folder.path()).env_clear();
    shell.env("PATH", path).env("HOME", folder.path()).env("TMPDIR", folder.path());
    shell.env("RUNMINT_CA_FILE", folder.path().join("data/tls/ca.pem"));
    shell.env("RUNMINT_URL", shown["base_url"].as_str().unwrap());
    shell.env("RUNMINT_ACCESS_TOKEN", shown["access_token"].as_str().unwrap());
    shell.output().unwrap()
}

fn serving() -> (TempDir, Process) {
    let folder = tempfile::tempdir().unwrap();
    let process = dev(&folder, &["dev", "--dev-tls", "--output", "json"]);
    fs::write(folder.path().join("shown.json"), process.stdout_until("\n")).unwrap();
    (folder, process)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn it_fits_a_front_page() {
    assert!(readme().lines().count() <= 200);
}

#[test]
fn its_two_commands_work() {
    let [commands, ..] = blocks();
    let commands: Vec<&str> = commands
        .lines()
        .map(|line| line.split_once('#').map_or(line, |(command, _)| command).trim())
        .collect();
    let [run, check] = commands.try_into().unwrap();
    let arguments: Vec<&str> = run.strip_prefix("cargo run --release -- ").unwrap().split(' ').collect();
    let folder = tempfile::tempdir().unwrap();
    dev(&folder, &arguments).stdout_until("Ctrl-C stops.");

    let target = check.strip_prefix("make ").unwrap();
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    assert!(makefile.contains(&format!("\n{target}: ##")), "make {target}");
}

#[test]
fn the_first_token_works_as_described() {
    let (folder, _process) = serving();
    let [_, block, _] = blocks();
    let followed = follow(&folder, &block);
    let (stdout, stderr) = (text(&followed.stdout), text(&followed.stderr));
    // Everything works but the last command, which asks for a token of the finished run.
    assert_eq!(followed.status.code(), Some(1), "{stdout}{stderr}");
    let subject = "runmint:deploy:org:acme:project:website:stack:prod:operation:preview:scope:read";
    assert!(stdout.contains(subject) && stdout.contains("finished"), "{stdout}{stderr}");
    assert!(stderr.lines().last().unwrap().starts_with("runmint: "), "{stderr}");
    let all_but_the_last = block.trim_end().rsplit_once('\n').unwrap().0;
    let followed = follow(&folder, all_but_the_last);
    assert!(followed.status.success(), "{}", text(&followed.stderr));
}

#[test]
fn the_first_cloud_works_as_described() {
    let (folder, _process) = serving();
    let aws = folder.path().join("aws");
    let script =
        "#!/bin/sh\necho called: \"$1 $2\"\n[ \"$1\" = iam ] || cat \"$AWS_WEB_IDENTITY_TOKEN_FILE\"\n";
    fs::write(&aws, script).unwrap();
    fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).unwrap();
    let [.., block] = blocks();
    let followed = follow(&folder, &block);
    let (stdout, stderr) = (text(&followed.stdout), text(&followed.stderr));
    assert!(followed.status.success(), "{stdout}{stderr}");
    let calls: Vec<&str> = stdout.lines().filter_map(|line| line.strip_prefix("called: ")).collect();
    assert_eq!(calls, ["iam create-open-id-connect-provider", "iam create-role", "sts get-caller-identity"]);
    assert!(stdout.lines().last().unwrap().starts_with("eyJ"), "{stdout}{stderr}");
}

#[test]
fn every_relative_link_resolves() {
    let mut documents = Vec::new();
    for place in ["", "keys", "tests/clients", "fuzz"] {
        documents.extend(in_folder(&root().join(place), "md"));
    }
    let folders = ["docs", "docs/adr", "docs/clouds", "docs/reference", "docs/trust"];
    documents.extend(folders.iter().flat_map(|folder| in_folder(&root().join(folder), "md")));
    let mut anchors: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    let mut dead = Vec::new();
    for document in &documents {
        for link in links(&prose(&fs::read_to_string(document).unwrap())) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target =
                if path.is_empty() { document.clone() } else { document.parent().unwrap().join(path) };
            let exists = match anchor {
                "" => target.exists(),
                anchor => {
                    target.is_file() && {
                        let target = target.canonicalize().unwrap();
                        let known = || headings(&fs::read_to_string(&target).unwrap());
                        anchors.entry(target.clone()).or_insert_with(known).contains(anchor)
                    }
                }
            };
            if !exists {
                dead.push(format!("{}: {link}", document.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

fn in_folder(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

/// The text without its blocks of code.
fn prose(text: &str) -> String {
    let mut in_block = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            prose.extend([line, "\n"]);
        }
    }
    prose
}

fn links(prose: &str) -> Vec<String> {
    let targets = prose.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

/// The anchors that GitHub gives a document's headings.
fn headings(text: &str) -> BTreeSet<String> {
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let mut anchors = BTreeSet::new();
    for heading in headings.map(|line| line.trim_start_matches('#').trim().to_lowercase()) {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
        anchors.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
    }
    anchors
}
