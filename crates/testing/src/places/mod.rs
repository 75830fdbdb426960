//! Where documents are published to, seen from outside: what every target must do, and a store that misbehaves.

mod shelf;

use reqwest::RequestBuilder;
use runmint::copies::{Object, Outcome, PublishError, Published, Target};
use secrecy::SecretString;

pub use shelf::{BEARER_TOKEN, Fault, Shelf};

pub const CACHE_CONTROL: &str = "public, max-age=300";
pub const KEYS: &str = "oidc/.well-known/jwks";
pub const DISCOVERY: &str = "oidc/.well-known/openid-configuration";

/// The account and key of every Azurite, published in its documentation.
pub const AZURITE_ACCOUNT: &str = "devstoreaccount1";
pub const AZURITE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

pub const OBJECTS: [(&str, &str); 2] = [(KEYS, r#"{"keys":[]}"#), (DISCOVERY, "{}")];
pub const SECRETS: [&str; 5] = [
    AZURITE_KEY,
    BEARER_TOKEN,
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "FwoGZXIvYXdzEXAMPLESESSIONTOKEN",
    "hunter2",
];

/// A publishing target, seen from outside.
#[expect(async_fn_in_trait, reason = "only tests of this workspace call it, and none from another thread")]
pub trait Place {
    fn target(&self) -> String;
    fn environment(&self) -> Vec<(String, SecretString)>;
    /// As a browser would.
    async fn fetch(&self, path: &str) -> Fetched;
    /// Overwrites it as an outsider would.
    async fn meddle(&self, path: &str, body: &str, content_type: &str);
}

#[derive(Debug, PartialEq, Eq)]
pub struct Fetched {
    pub body: String,
    /// `None` if the target has no headers.
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
}

pub async fn has_what_was_published(place: &impl Place) {
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

pub async fn puts_headers_right(place: &impl Place) {
    place.meddle(KEYS, "{}", "text/html").await;
    assert_eq!(place.fetch(KEYS).await.content_type.as_deref(), Some("text/html"));
    assert_eq!(publish(place, &[(KEYS, "{}")]).await, Ok(written(&[KEYS])));
    assert_eq!(place.fetch(KEYS).await, Fetched::json("{}"));
}

pub async fn fails(target: &str, environment: &[(String, SecretString)], why: &str) {
    let error = publish_to(target, environment, &OBJECTS).await.unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
    assert!(error.to_string().contains(KEYS), "{error}");
    for secret in SECRETS {
        assert!(!format!("{error} {error:?}").contains(secret), "{error}");
    }
}

pub async fn publish(place: &impl Place, objects: &[(&str, &str)]) -> Result<Vec<Published>, PublishError> {
    publish_to(&place.target(), &place.environment(), objects).await
}

pub async fn publish_to(
    target: &str,
    environment: &[(String, SecretString)],
    objects: &[(&str, &str)],
) -> Result<Vec<Published>, PublishError> {
    let object = |&(path, body): &(&str, &str)| Object { path: path.to_owned(), body: body.into() };
    let objects: Vec<_> = objects.iter().map(object).collect();
    Target::parse(target, environment)?.publish(&objects, CACHE_CONTROL).await
}

pub fn written(paths: &[&str]) -> Vec<Published> {
    published(paths, Outcome::Written)
}

pub fn unchanged(paths: &[&str]) -> Vec<Published> {
    published(paths, Outcome::Unchanged)
}

fn published(paths: &[&str], outcome: Outcome) -> Vec<Published> {
    paths.iter().map(|&path| Published { path: path.to_owned(), outcome }).collect()
}

pub fn variables(variables: &[(&str, &str)]) -> Vec<(String, SecretString)> {
    variables.iter().map(|&(name, value)| (name.to_owned(), value.into())).collect()
}

impl Fetched {
    pub async fn with(request: RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{answer:?}");
        let header = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (content_type, cache_control) = (header("content-type"), header("cache-control"));
        Self { content_type, cache_control, body: answer.text().await.unwrap() }
    }

    pub fn json(body: &str) -> Self {
        Self {
            body: body.to_owned(),
            content_type: Some("application/json".to_owned()),
            cache_control: Some(CACHE_CONTROL.to_owned()),
        }
    }
}
