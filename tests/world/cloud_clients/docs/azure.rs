use serde_json::Value;

use super::{Reader, blocks, caller, option};
use crate::cloud_clients::world::CLIENT_ID;
use crate::clouds::entra::FederatedCredential;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_on_azure_leads_to_a_working_run() {
    let mut reader = Reader::new().await;
    let [application, identity, exec] = blocks("azure.md", "sh").try_into().unwrap();
    let [credential] = blocks("azure.md", "json").try_into().unwrap();
    let credential: Value = serde_json::from_str(&reader.here(&credential)).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let arguments = reader.arguments("az", &application);
    assert_eq!(option(&arguments, "parameters"), "credential.json");
    let arguments = reader.arguments("az", &identity);
    assert_eq!(option(&arguments, "issuer"), credential["issuer"]);
    assert_eq!(option(&arguments, "subject"), credential["subject"]);
    assert_eq!(option(&arguments, "audiences"), credential["audiences"][0]);

    reader.world.clouds.entra.remove_credentials();
    let credential = FederatedCredential {
        client_id: CLIENT_ID.to_owned(),
        issuer: text(&credential["issuer"]),
        subject: text(&credential["subject"]),
        audience: text(&credential["audiences"][0]),
    };
    reader.world.clouds.entra.add_credential(credential).unwrap();
    let whoami = format!("{}/whoami", reader.world.clouds.entra_url());
    reader.set("WHOAMI_URL", &whoami);
    reader.deploy_by("azure-identity");
    let expected = format!("{CLIENT_ID} as {}", reader.world.subject());
    assert_eq!(caller(&reader.follows(&exec)), expected);
}
