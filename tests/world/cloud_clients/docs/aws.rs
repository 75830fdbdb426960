use reqwest::Client;
use serde_json::Value;

use super::{Reader, blocks};
use crate::cloud_clients::client::{installed, run};
use crate::cloud_clients::world::variables;
use crate::harness::Process;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_on_aws_leads_to_a_working_run() {
    let reader = Reader::new().await;
    let [provider, role, exec, endpoint] = blocks("aws.md", "sh").try_into().unwrap();
    let [trust] = blocks("aws.md", "json").try_into().unwrap();
    reader.write("trust.json", &reader.here(&trust));

    // IAM accepts the documents.
    let mut command = installed("moto_server");
    command.args(["-H", "127.0.0.1", "-p", "0"]);
    let iam = Process::spawn(command);
    let line = iam.log_line("Running on http://127.0.0.1:");
    let address = line[line.find("http://").unwrap()..].trim().to_owned();
    assert!(Client::new().get(&address).send().await.is_ok());
    let keys = variables(&[
        ("AWS_ENDPOINT_URL_IAM", &address),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
    ]);
    let environment = [reader.environment.clone(), keys].concat();
    for block in [&provider, &role] {
        let mut shell = std::process::Command::new("sh");
        shell.current_dir(&reader.world.folder).args(["-euc", block]);
        run(shell, &environment).unwrap();
    }

    // STS applies them.
    let trust: Value = serde_json::from_str(&reader.here(&trust)).unwrap();
    reader.world.clouds.aws.put_role("website-staging-update", &trust);
    for block in [&exec, &endpoint] {
        let printed = reader.follows(block);
        assert!(printed.contains("assumed-role/website-staging-update/acme-"), "{printed}");
    }
    let [profile] = blocks("aws.md", "ini").try_into().unwrap();
    let process = profile.split("credential_process = ").nth(1).unwrap();
    let credentials: Value = serde_json::from_str(&reader.follows(process)).unwrap();
    assert_eq!(credentials["Version"], 1);
}
