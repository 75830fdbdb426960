//! The instructions in docs/clouds/ work: commands are run, documents are evaluated.

mod aws;
mod azure;
mod google;
mod others;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::client::{root, run};
use super::world::{World, claims, variables};
use crate::harness::Engine;

/// Each page with its number of code blocks by language: every block is checked below.
const PAGES: &[(&str, &[(&str, usize)])] = &[
    ("README.md", &[("sh", 3)]),
    ("aws.md", &[("sh", 4), ("json", 1), ("ini", 1)]),
    ("azure.md", &[("sh", 3), ("json", 1)]),
    ("google.md", &[("sh", 4)]),
    ("limits.md", &[]),
    ("vault-and-kubernetes.md", &[("sh", 3), ("yaml", 2)]),
];

const ISSUER: &str = "https://id.example.com/oidc";
const ORGANIZATION_ID: &str = "6513270e-269e-4d37-b2a7-4de452e6b438";

#[test]
fn every_page_is_tested() {
    for (name, languages) in PAGES {
        let text = fs::read_to_string(folder().join(name)).unwrap();
        let fences = text.lines().filter(|line| line.starts_with("```") && line.len() > 3).count();
        assert_eq!(fences, languages.iter().map(|(_, count)| count).sum::<usize>(), "{name}");
        for (language, count) in *languages {
            assert_eq!(blocks(name, language).len(), *count, "{name}: {language}");
        }
    }
    assert_eq!(fs::read_dir(folder()).unwrap().count(), PAGES.len());
}

fn folder() -> std::path::PathBuf {
    root().join("docs/clouds")
}

/// The contents of each ```` ```LANGUAGE ```` block.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(folder().join(page)).unwrap();
    let fence = format!("\n```{language}\n");
    let after = text.split(&fence).skip(1);
    after.map(|rest| rest.split_once("\n```").unwrap().0.to_owned()).collect()
}

/// A reader who follows a page, in a folder of their own.
struct Reader {
    world: World,
    environment: Vec<(String, String)>,
}

impl Reader {
    async fn new() -> Self {
        let world = World::new(Engine::Sqlite).await;
        let programs = world.folder.join("programs");
        fs::create_dir(&programs).unwrap();
        let folder_of = |program: &Path| program.parent().unwrap().display().to_string();
        let runmint = folder_of(Path::new(env!("CARGO_BIN_EXE_runmint")));
        let clients = root().join("target/clients/venv/bin").display().to_string();
        let usual = world.base().into_iter().find(|(name, _)| name == "PATH").unwrap().1;
        let path = format!("{}:{runmint}:{clients}:{usual}", programs.display());
        let others = world.for_exec().into_iter().filter(|(name, _)| name != "PATH");
        let environment = others.chain(variables(&[("PATH", &path)])).collect();
        Self { world, environment }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Installs a stand-in program under this name.
    fn program(&self, name: &str, script: &str) {
        self.write(&format!("programs/{name}"), script);
        let path = self.world.folder.join("programs").join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    }

    /// Installs `./deploy`, which prints its identity by way of a cloud client.
    fn deploy_by(&self, client: &str) {
        let script = root().join("tests/clients/python/clouds.py");
        self.write("deploy", &format!("#!/bin/sh\necho | python {} {client}\n", script.display()));
        fs::set_permissions(self.world.folder.join("deploy"), fs::Permissions::from_mode(0o700)).unwrap();
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.world.folder.join(name), text).unwrap();
    }

    /// Runs a block verbatim except for this service's names. Returns its output.
    #[track_caller]
    fn follows(&self, block: &str) -> String {
        let mut shell = Command::new("sh");
        shell.current_dir(&self.world.folder).args(["-euc", &self.here(block)]);
        run(shell, &self.environment).unwrap_or_else(|error| panic!("{block}\n{error}"))
    }

    /// The arguments of this program in a block, over all calls.
    fn arguments(&self, program: &str, block: &str) -> Vec<String> {
        self.program(program, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n");
        self.follows(block).lines().map(str::to_owned).collect()
    }

    /// The text with this service's names instead of the example's.
    fn here(&self, text: &str) -> String {
        let issuer = self.world.issuer.trim_start_matches("https://");
        text.replace(ISSUER, &self.world.issuer)
            .replace(ISSUER.trim_start_matches("https://"), issuer)
            .replace(ORGANIZATION_ID, &self.organization_id())
    }

    fn organization_id(&self) -> String {
        claims(&self.token("acme"))["org_id"].as_str().unwrap().to_owned()
    }

    fn token(&self, audience: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runmint"));
        command.args(["id-token", "--audience", audience]);
        run(command, &self.environment).unwrap()
    }
}

/// The value of `--name=` or `--name `.
fn option<'a>(arguments: &'a [String], name: &str) -> &'a str {
    let joined = format!("--{name}=");
    let found = arguments.iter().find_map(|argument| argument.strip_prefix(&joined));
    let apart = || {
        let at = arguments.iter().position(|argument| argument == &format!("--{name}"))?;
        arguments.get(at + 1).map(String::as_str)
    };
    found.or_else(apart).unwrap_or_else(|| panic!("no --{name} in {arguments:?}"))
}

fn caller(printed: &str) -> String {
    let answer: serde_json::Value = serde_json::from_str(printed).unwrap_or_default();
    answer["caller"].as_str().unwrap_or_else(|| panic!("{printed}")).to_owned()
}
