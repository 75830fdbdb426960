use super::{Reader, blocks, caller, option};
use crate::cloud_clients::world::ACCOUNT;
use crate::clouds::google::Provider;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_on_google_leads_to_a_working_run() {
    let mut reader = Reader::new().await;
    let [trust, shorter, exec, file] = blocks("google.md", "sh").try_into().unwrap();
    let whoami = format!("{}/whoami", reader.world.clouds.google_url());
    reader.set("WHOAMI_URL", &whoami);
    reader.deploy_by("google-auth");
    let condition = follow(&reader, &trust, None);
    assert_eq!(caller(&reader.follows(&exec)), ACCOUNT);
    assert_eq!(caller(&reader.follows(&file)), ACCOUNT);
    follow(&reader, &shorter, condition);
    assert_eq!(caller(&reader.follows(&exec)), ACCOUNT);
}

/// Applies a block's provider and binding; an updated provider keeps its condition.
fn follow(reader: &Reader, block: &str, condition: Option<String>) -> Option<String> {
    let arguments = reader.arguments("gcloud", block);
    let mapping = option(&arguments, "attribute-mapping").split(',').map(|pair| {
        let (target, source) = pair.split_once('=').unwrap();
        (target.to_owned(), source.to_owned())
    });
    let condition = condition.or_else(|| Some(option(&arguments, "attribute-condition").to_owned()));
    let google = &reader.world.clouds.google;
    google.put_provider(Provider {
        name: "runmint".to_owned(),
        issuer: reader.world.issuer.clone(),
        allowed_audiences: Vec::new(),
        mapping: mapping.collect(),
        condition: condition.clone(),
    });
    assert!(arguments.iter().any(|argument| argument == ACCOUNT), "{arguments:?}");
    google.put_account(ACCOUNT, &[option(&arguments, "member")]);
    condition
}
