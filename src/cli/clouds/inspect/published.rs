//! The documents that a token's issuer publishes, or the reason why they are unknown.

use reqwest::Url;
use serde_json::Value;

use crate::cli::api::client::Client;
use crate::cli::terminal::failure::Failure;
use crate::issuer::discovery::CONFIGURATION_PATH;
use crate::issuer::url::IssuerUrl;
use crate::trust::token::KeySet;

pub(super) struct Published {
    pub(super) discovery: Answer<Value>,
    pub(super) keys: Answer<KeySet>,
}

pub(super) enum Answer<T> {
    /// The issuer was not asked, for this reason.
    NotAsked(String),
    /// The answer was of no use, for this reason.
    Failed(String),
    Got(T),
}

impl Published {
    pub(super) fn not_asked(reason: &str) -> Self {
        Self { discovery: Answer::NotAsked(reason.to_owned()), keys: Answer::NotAsked(reason.to_owned()) }
    }

    /// Errors only where this machine is set up wrongly; what the issuer does wrong is an answer, too.
    pub(super) async fn ask(issuer: &IssuerUrl) -> Result<Self, Failure> {
        let client = Client::of_discovery(issuer.as_str())?;
        let discovery = match client.get::<Value>(CONFIGURATION_PATH).await.map(|answer| answer.raw) {
            Ok(discovery) => discovery,
            Err(failure) => {
                let keys = Answer::NotAsked("there is no discovery document".to_owned());
                return Ok(Self { discovery: Answer::Failed(failure.to_string()), keys });
            }
        };
        let keys = match jwks_uri(&discovery, issuer) {
            Ok(uri) => read_keys(client.get::<Value>(&uri).await.map(|answer| answer.raw)),
            Err(why) => Answer::Failed(why),
        };
        Ok(Self { discovery: Answer::Got(discovery), keys })
    }

    /// Why the issuer, although it was asked, did not say what verifying takes.
    pub(super) fn failure(&self) -> Option<&str> {
        match (&self.discovery, &self.keys) {
            (Answer::Failed(why), _) | (_, Answer::Failed(why)) => Some(why),
            _ => None,
        }
    }
}

/// Over anything but https, an attacker on the network could choose the keys.
fn jwks_uri(discovery: &Value, issuer: &IssuerUrl) -> Result<String, String> {
    let text = discovery["jwks_uri"].as_str().ok_or("the discovery document has no `jwks_uri`")?;
    let url = Url::parse(text).map_err(|error| format!("`jwks_uri` is not a valid URL: {error}"))?;
    let on_this_machine =
        |url: &Url| Url::parse(issuer.as_str()).is_ok_and(|own| own.origin() == url.origin());
    match url.scheme() {
        "https" => Ok(url.into()),
        "http" if on_this_machine(&url) => Ok(url.into()),
        _ => Err("`jwks_uri` is not https".to_owned()),
    }
}

/// Reads the keys as the server reads those of a registered issuer.
fn read_keys(answer: Result<Value, Failure>) -> Answer<KeySet> {
    match answer.map(|set| KeySet::parse(set.to_string().as_bytes())) {
        Ok(Ok(keys)) => Answer::Got(keys),
        Ok(Err(error)) => Answer::Failed(error.to_string()),
        Err(failure) => Answer::Failed(failure.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_come_over_https_or_from_the_very_same_place_on_this_machine() {
        let uri = |issuer: &str, uri: &str| {
            jwks_uri(&json!({"jwks_uri": uri}), &IssuerUrl::parse(issuer).unwrap()).is_ok()
        };
        let public = "https://id.example.com/oidc";
        assert!(uri(public, "https://keys.example.net/jwks"));
        assert!(!uri(public, "http://id.example.com/jwks"));
        assert!(!uri(public, "http://127.0.0.1/jwks"));
        assert!(!uri(public, "file:///etc/passwd"));
        assert!(!uri(public, "/jwks"));
        let trial = "http://127.0.0.1:8080/oidc";
        assert!(uri(trial, "http://127.0.0.1:8080/oidc/.well-known/jwks"));
        assert!(!uri(trial, "http://127.0.0.1:9090/jwks"));
        assert!(!uri(trial, "http://id.example.com/jwks"));
    }

    #[test]
    fn an_unknown_kind_of_key_does_not_spoil_the_set() {
        // The key of RFC 7517 Appendix A.1.
        let (x, y) =
            ("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM");
        let key = json!({"kty": "EC", "crv": "P-256", "kid": "k", "x": x, "y": y});
        let Answer::Got(set) = read_keys(Ok(json!({"keys": [{"kty": "quantum"}, 7, key]}))) else { panic!() };
        assert_eq!((set.keys()[0].key_id(), set.unusable().len()), (Some("k"), 2));
        assert!(matches!(read_keys(Ok(json!([]))), Answer::Failed(_)));
        assert!(matches!(read_keys(Ok(json!({"keys": {}}))), Answer::Failed(_)));
    }
}
