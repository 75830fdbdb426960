use serde_json::{Value, json};

use super::OrNewer;
use super::policies::Exchange;
use super::runs::{RunEnvironment, StartedRun};

/// As the server wrote them before there were types: the order of members is part of it.
#[test]
fn a_started_run_reads_back_byte_for_byte() {
    let text = r#"{"id":"d23f0824-128b-4f33-8c5c-7fd0a6a3a450","organization":"acme","service":"deploy","state":"active","attributes":{"project":"website"},"audiences":null,"cloud":{"aws":{"roleArn":"r"}},"origin":{"issuer":"https://a","subject":"s"},"created_at":"2026-11-21T09:00:00Z","expires_at":"2026-11-21T10:00:00.125Z","ended_at":null,"subject":"x","claims":{"sub":"x","aud":"acme"},"request_url":"u","request_token":"t","environment":{"ACTIONS_ID_TOKEN_REQUEST_URL":"u","ACTIONS_ID_TOKEN_REQUEST_TOKEN":"t","RUNMINT_ID_TOKEN_REQUEST_URL":"u","RUNMINT_ID_TOKEN_REQUEST_TOKEN":"t","RUNMINT_RUN_ID":"d23f0824-128b-4f33-8c5c-7fd0a6a3a450","RUNMINT_URL":"b","RUNMINT_CLOUD_SETTINGS":"{}"}}"#;
    let run: StartedRun = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&run).unwrap(), text);
}

#[test]
fn an_answer_of_a_newer_server_can_be_read() {
    let exchange = |asked: Value| {
        json!({
            "id": "d23f0824-128b-4f33-8c5c-7fd0a6a3a450", "at": "2026-11-21T09:00:00Z", "asked": asked, "claims": {},
            "outcome": "allowed", "policy_version": 1, "caller": "::1", "weight": 7,
        })
    };
    let read = |asked| serde_json::from_value::<Exchange>(exchange(asked)).unwrap().asked;
    assert!(matches!(read(json!({"token_type": "organization", "admin": true})), OrNewer::Known(_)));
    let newer = json!({"token_type": "robot", "arms": 2});
    assert_eq!(read(newer.clone()), OrNewer::Newer(newer));
}

#[test]
fn variables_of_a_newer_server_are_kept() {
    let environment = json!({
        "ACTIONS_ID_TOKEN_REQUEST_URL": "u", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t", "RUNMINT_ID_TOKEN_REQUEST_URL": "u",
        "RUNMINT_ID_TOKEN_REQUEST_TOKEN": "t", "RUNMINT_RUN_ID": "d23f0824-128b-4f33-8c5c-7fd0a6a3a450",
        "RUNMINT_URL": "b", "RUNMINT_NEW": "n",
    });
    let read: RunEnvironment = serde_json::from_value(environment.clone()).unwrap();
    assert_eq!(read.others["RUNMINT_NEW"], "n");
    assert_eq!(serde_json::to_value(&read).unwrap(), environment);
}
