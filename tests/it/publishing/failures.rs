//! Misbehaving stores. Every error names the object and never a credential.

use std::io::{Read, Write};
use std::net::TcpListener;

use runmint_testing::places::{
    DISCOVERY, Fault, KEYS, OBJECTS, Place as _, Shelf, fails, publish_to, variables, written,
};

#[tokio::test]
async fn a_store_that_loses_or_alters_objects_is_detected() {
    for (fault, why) in [
        (
            Fault::LosesWrites,
            "reading back oidc/.well-known/jwks at TARGET failed: the answer is 404 Not Found",
        ),
        (Fault::AltersBodies, "oidc/.well-known/jwks was written to TARGET and came back with other bytes"),
        (
            Fault::ForgetsCacheControl,
            "oidc/.well-known/jwks was written to TARGET and came back with another Cache-Control",
        ),
        (
            Fault::AddsContentEncoding,
            "oidc/.well-known/jwks was written to TARGET and came back with a Content-Encoding",
        ),
    ] {
        for target in ["gs://documents/site", "s3://documents/site"] {
            let shelf = Shelf::start(fault).await;
            let environment = if target.starts_with("gs") { shelf.environment() } else { shelf.as_s3() };
            fails(target, &environment, &why.replace("TARGET", target)).await;
            let keys = "/documents/site/oidc/.well-known/jwks";
            assert_eq!(shelf.written(), [keys], "nothing follows what failed");
        }
    }
}

#[tokio::test]
async fn the_answer_of_a_refusing_or_garbling_store_is_not_quoted() {
    for (fault, why) in [
        (Fault::RefusesAndRepeats, "the answer is 403 Forbidden (AccessDenied); check that the credentials"),
        (Fault::IsUnwell, "the answer is 503 Service Unavailable; check that the store is available"),
        (
            Fault::RedirectsToNowhere,
            "a redirect without a Location header; check the region and the endpoint",
        ),
        (Fault::Mumbles, "the answer is not one that such a store gives"),
    ] {
        let shelf = Shelf::start(fault).await;
        let azure = variables(&[
            ("AZURE_STORAGE_ENDPOINT", &shelf.address),
            ("AZURE_ALLOW_HTTP", "true"),
            ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
            ("AZURE_STORAGE_SAS_KEY", "sv=2021-12-02&sig=hunter2"),
        ]);
        let stores = [
            ("gs://documents", shelf.environment()),
            ("s3://documents", shelf.as_s3()),
            ("az://documents", azure),
        ];
        for (target, environment) in stores {
            fails(target, &environment, why).await;
        }
    }
}

#[tokio::test]
async fn a_store_that_hides_missing_objects_is_still_written_to() {
    let shelf = Shelf::start(Fault::HidesWhatIsMissing).await;
    let published = publish_to("s3://documents/site", &shelf.as_s3(), &OBJECTS).await;
    assert_eq!(published, Ok(written(&[KEYS, DISCOVERY])));
}

#[tokio::test]
async fn a_store_that_does_not_answer_times_out() {
    let shelf = Shelf::start(Fault::IsSilent).await;
    let mut environment = shelf.as_s3();
    environment.extend(variables(&[("AWS_TIMEOUT", "50ms")]));
    fails(
        "s3://documents",
        &environment,
        "reading oidc/.well-known/jwks at s3://documents failed: no answer in time",
    )
    .await;
}

#[tokio::test]
async fn a_failed_or_broken_connection_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let talks_no_http = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // Data sent before the request would not be a wrong answer.
        let _ = stream.read(&mut [0; 1024]).unwrap();
        stream.write_all(b"220 mail.example.com ESMTP\r\n\r\n").unwrap();
    });
    let environment = variables(&[
        ("AZURE_STORAGE_ENDPOINT", &endpoint),
        ("AZURE_ALLOW_HTTP", "true"),
        ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
        ("AZURE_STORAGE_SAS_KEY", "sv=2021-12-02&sig=hunter2"),
    ]);
    fails("az://documents", &environment, "failed: the connection failed: invalid HTTP").await;
    talks_no_http.join().unwrap();
    // No server listens any more.
    fails("az://documents", &environment, "failed: no connection: Connection refused").await;
}

#[tokio::test]
async fn plain_http_is_refused_unless_allowed() {
    let shelf = Shelf::start(Fault::None).await;
    let environment: Vec<_> =
        shelf.as_s3().into_iter().filter(|(name, _)| name != "AWS_ALLOW_HTTP").collect();
    fails("s3://documents", &environment, "URL scheme is not allowed").await;
    assert_eq!(shelf.written(), [""; 0]);
}

#[tokio::test]
async fn missing_credentials_are_distinguished_from_store_failures() {
    let shelf = Shelf::start(Fault::None).await;
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "hunter2").unwrap();
    let environment = variables(&[
        ("AWS_ENDPOINT_URL", &shelf.address),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/credentials", shelf.address)),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_file.to_str().unwrap()),
    ]);
    let why = "could not get credentials for oidc/.well-known/jwks at s3://documents: the answer is 404 Not Found; check";
    fails("s3://documents", &environment, why).await;
    assert_eq!(shelf.written(), [""; 0]);
}
