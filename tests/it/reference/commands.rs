//! The command line page against `--help` of every command.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::{page, rows, uncoded};

#[test]
fn the_command_line_page_lists_every_command_and_only_existing_flags() {
    let mut helps = BTreeMap::new();
    walk(&[], &mut helps);
    let in_code: BTreeSet<_> = helps
        .iter()
        .filter(|(_, help)| subcommands(help).is_empty())
        .map(|(words, _)| words.clone())
        .collect();
    let text = page("command-line.md");
    let rows = rows(&text, "Command");
    let listed: BTreeSet<_> = rows.iter().map(|row| uncoded(&row[0])).collect();
    assert_eq!(listed, in_code, "docs/reference/command-line.md");
    assert_eq!(rows.len(), listed.len(), "and each once");

    for name in ["command-line.md", "settings.md", "services.md", "claims.md", "endpoints.md", "README.md"] {
        let text = page(name);
        let flags = text.split(|c: char| c.is_whitespace() || c == '`').filter(|word| word.starts_with("--"));
        for flag in flags {
            let known = helps.values().any(|help| help.split_whitespace().any(|word| word == flag));
            assert!(known, "{name}: no command has a flag {flag}");
        }
    }
}

/// The help of a command and of all its subcommands, by full command.
fn walk(words: &[&str], helps: &mut BTreeMap<String, String>) {
    let help = help(words);
    for name in subcommands(&help) {
        walk(&[words, &[name]].concat(), helps);
    }
    helps.insert([&["runmint"], words].concat().join(" "), help);
}

fn help(words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runmint"));
    let output = command.args(words).arg("--help").env_clear().output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// clap indents names by two blanks, and continued descriptions by more.
fn subcommands(help: &str) -> Vec<&str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("  "));
    let names = names.filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(' ').next());
    names.filter(|name| *name != "help").collect()
}

#[test]
fn the_command_line_page_has_the_exit_codes_of_help() {
    let help = help(&[]);
    let (_, printed) = help.split_once("Exit codes:\n").unwrap();
    let printed: Vec<&str> = printed
        .lines()
        .flat_map(|line| line.split("  "))
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    let printed: BTreeMap<_, _> =
        printed.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect();
    let text = page("command-line.md");
    let listed: BTreeMap<_, _> =
        rows(&text, "Code").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(listed, printed, "docs/reference/command-line.md");
}
