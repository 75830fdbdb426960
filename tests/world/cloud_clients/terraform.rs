//! Terraform, if it is installed: its providers come from a registry of their own, but its state backend is
//! built in and finds credentials as the AWS provider does.

use std::fs;
use std::process::Command;

use reqwest::Client;

use super::client::{installed, run, under_exec};
use super::world::{World, variables};
use crate::harness::{Engine, Process};

const MAIN: &str = r#"
terraform {
  backend "s3" {
    bucket         = "states"
    key            = "website/staging"
    use_path_style = true
  }
}

resource "terraform_data" "website" {
  input = "staging"
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn terraform_stores_its_state_with_a_runs_credentials() {
    if Command::new("terraform").arg("version").output().is_err() {
        eprintln!("NOT CHECKED: terraform is not installed");
        return;
    }
    eprintln!("NOT CHECKED: terraform's providers, which no registry in reach has");
    let world = World::new(Engine::Sqlite).await;
    let mut command = installed("moto_server");
    command.args(["-H", "127.0.0.1", "-p", "0"]);
    let s3 = Process::spawn(command);
    let line = s3.log_line("Running on http://127.0.0.1:");
    let address = line[line.find("http://").unwrap()..].trim().to_owned();
    assert!(Client::new().put(format!("{address}/states")).send().await.unwrap().status().is_success());
    let folder = world.folder.join("terraform");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("main.tf"), MAIN).unwrap();
    let more = variables(&[
        ("AWS_ENDPOINT_URL_S3", &address),
        ("CHECKPOINT_DISABLE", "1"),
        ("TF_CLI_ARGS_init", "-no-color"),
        ("TF_CLI_ARGS_apply", "-no-color"),
        ("TF_CLI_ARGS_plan", "-no-color"),
    ]);
    let environment = [world.for_exec(), more].concat();
    let terraform = |arguments: &[&str], mode: &str| {
        let mut command = Command::new("terraform");
        command.arg(format!("-chdir={}", folder.display())).args(arguments);
        let flags = [&["--mode".to_owned(), mode.to_owned()][..], &world.aws_flags()].concat();
        run(under_exec(&flags, &command), &environment)
    };
    terraform(&["init", "-input=false"], "token").unwrap();
    let applied = terraform(&["apply", "-auto-approve", "-input=false"], "endpoint").unwrap();
    assert!(applied.contains("Resources: 1 added"), "{applied}");
    assert_eq!(terraform(&["state", "list"], "credentials").unwrap(), "terraform_data.website");

    world.trust_in_aws("runmint:deploy:org:acme:project:website:stack:prod:operation:update:scope:write");
    let refused = terraform(&["plan"], "token").unwrap_err();
    assert!(refused.contains("AccessDenied: Not authorized to perform"), "{refused}");
}
