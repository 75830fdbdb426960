//! Documents as objects: in a folder, in the emulators of two clouds, and in a store that misbehaves.

mod emulators;
mod failures;
mod folder;
mod in_service;
mod shelf;
mod targets;

use reqwest::RequestBuilder;
use runmint::publishing::{Object, Outcome, PublishError, Published, Target};
use secrecy::SecretString;

use self::emulators::{Azurite, Moto};
use self::folder::Folder;
use self::shelf::{Fault, Shelf};

const CACHE_CONTROL: &str = "public, max-age=300";
const KEYS: &str = "oidc/.well-known/jwks";
const DISCOVERY: &str = "oidc/.well-known/openid-configuration";

/// A publishing target, seen from outside.
trait Place {
    fn target(&self) -> String;
    fn environment(&self) -> Vec<(String, SecretString)>;
    /// As a browser would.
    async fn fetch(&self, path: &str) -> Fetched;
    /// Overwrites it as an outsider would.
    async fn meddle(&self, path: &str, body: &str, content_type: &str);
}

#[derive(Debug, PartialEq, Eq)]
struct Fetched {
    body: String,
    /// `None` if the target has no headers.
    content_type: Option<String>,
    cache_control: Option<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_serves_the_published_documents() {
    has_what_was_published(&Folder::new()).await;
}

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
async fn google_serves_the_published_documents() {
    let shelf = Shelf::start(Fault::None).await;
    has_what_was_published(&shelf).await;
    puts_headers_right(&shelf).await;
}

async fn has_what_was_published(place: &impl Place) {
    let (first, second) = ([(KEYS, r#"{"keys":[1]}"#), (DISCOVERY, "{}")], [(KEYS, "{}"), (DISCOVERY, "{}")]);
    assert_eq!(publish(place, &first).await, Ok(written(&[KEYS, DISCOVERY])));
    assert_eq!(place.fetch(KEYS).await.body, r#"{"keys":[1]}"#);
    let discovery = place.fetch(DISCOVERY).await;
    assert_eq!(discovery.body, "{}");
    if discovery.content_type.is_some() {
        assert_eq!(discovery, Fetched::json("{}"));
    }

    assert_eq!(publish(place, &first).await, Ok(unchanged(&[KEYS, DISCOVERY])));

    let both = [written(&[KEYS]), unchanged(&[DISCOVERY])].concat();
    assert_eq!(publish(place, &second).await, Ok(both));
    assert_eq!(place.fetch(KEYS).await.body, "{}");

    place.meddle(KEYS, r#"{"keys":["somebody else's"]}"#, "application/json").await;
    place.meddle(DISCOVERY, "[]", "application/json").await;
    assert_eq!(publish(place, &second).await, Ok(written(&[KEYS, DISCOVERY])));
    assert_eq!(place.fetch(KEYS).await.body, "{}");
    assert_eq!(place.fetch(DISCOVERY).await.body, "{}");
}

async fn puts_headers_right(place: &impl Place) {
    place.meddle(KEYS, "{}", "text/html").await;
    assert_eq!(place.fetch(KEYS).await.content_type.as_deref(), Some("text/html"));
    assert_eq!(publish(place, &[(KEYS, "{}")]).await, Ok(written(&[KEYS])));
    assert_eq!(place.fetch(KEYS).await, Fetched::json("{}"));
}

#[tokio::test]
async fn objects_are_written_in_the_order_given() {
    let shelf = Shelf::start(Fault::None).await;
    let paths = ["z", ".well-known/openid-configuration", "a", "b/a"];
    assert_eq!(publish(&shelf, &paths.map(|path| (path, "{}"))).await, Ok(written(&paths)));
    assert_eq!(shelf.written(), paths.map(|path| format!("/documents/site/{path}")));
}

async fn publish(place: &impl Place, objects: &[(&str, &str)]) -> Result<Vec<Published>, PublishError> {
    publish_to(&place.target(), &place.environment(), objects).await
}

async fn publish_to(
    target: &str,
    environment: &[(String, SecretString)],
    objects: &[(&str, &str)],
) -> Result<Vec<Published>, PublishError> {
    let object = |&(path, body): &(&str, &str)| Object { path: path.to_owned(), body: body.into() };
    let objects: Vec<_> = objects.iter().map(object).collect();
    Target::parse(target, environment)?.publish(&objects, CACHE_CONTROL).await
}

fn written(paths: &[&str]) -> Vec<Published> {
    published(paths, Outcome::Written)
}

fn unchanged(paths: &[&str]) -> Vec<Published> {
    published(paths, Outcome::Unchanged)
}

fn published(paths: &[&str], outcome: Outcome) -> Vec<Published> {
    paths.iter().map(|&path| Published { path: path.to_owned(), outcome }).collect()
}

fn variables(variables: &[(&str, &str)]) -> Vec<(String, SecretString)> {
    variables.iter().map(|&(name, value)| (name.to_owned(), value.into())).collect()
}

impl Fetched {
    async fn with(request: RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{answer:?}");
        let header = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (content_type, cache_control) = (header("content-type"), header("cache-control"));
        Self { content_type, cache_control, body: answer.text().await.unwrap() }
    }

    fn json(body: &str) -> Self {
        Self {
            body: body.to_owned(),
            content_type: Some("application/json".to_owned()),
            cache_control: Some(CACHE_CONTROL.to_owned()),
        }
    }
}
