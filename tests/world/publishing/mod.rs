//! Documents as objects in the emulators of two clouds.

mod emulators;

use runmint_testing::places::{
    DISCOVERY, KEYS, OBJECTS, Place as _, fails, has_what_was_published, publish, puts_headers_right,
    variables, written,
};

use self::emulators::{Azurite, Moto};

#[tokio::test(flavor = "multi_thread")]
async fn s3_serves_the_published_documents() {
    let moto = Moto::start().await;
    has_what_was_published(&moto).await;
    puts_headers_right(&moto).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_serves_the_published_documents() {
    let azurite = Azurite::start("documents").await;
    has_what_was_published(&azurite).await;
    puts_headers_right(&azurite).await;
}

/// Azure serves a web site from a container with a reserved name.
#[tokio::test(flavor = "multi_thread")]
async fn azure_serves_the_published_documents_as_a_web_site() {
    has_what_was_published(&Azurite::start("$web").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_distinguished_from_a_missing_container() {
    let azurite = Azurite::start("documents").await;
    let wrong = variables(&[("AZURE_STORAGE_ACCOUNT_KEY", "aHVudGVyMg==")]);
    let environment = [azurite.environment(), wrong].concat();
    fails("az://documents", &environment, "the answer is 403").await;
    fails("az://elsewhere", &azurite.environment(), "the answer is 404").await;
    let published = publish(&azurite, &OBJECTS).await;
    assert_eq!(published, Ok(written(&[KEYS, DISCOVERY])));
}
