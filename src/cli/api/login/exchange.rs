//! A token of another issuer for an access token (RFC 8693).

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::api::OrNewer;
use crate::api::oauth::{GrantType, SubjectTokenType, TokenAnswer, TokenRequest};
use crate::cli::api::client::Client;
use crate::cli::api::foreign_token::GivenToken;
use crate::cli::api::foreign_token::part;
use crate::cli::api::saved_logins::Credential;
use crate::cli::api::server_url::ServerUrl;
use crate::cli::terminal::failure::Failure;
use crate::clock::{Clock, SystemClock};
use crate::issuer::organization_name::OrganizationName;
use crate::trust::policy::evaluation::Asked;

const DEFAULT_EXPIRATION: SignedDuration = SignedDuration::from_hours(2);

pub(super) struct Exchange {
    token: Zeroizing<String>,
    organization: OrganizationName,
    asked: Asked,
    expiration: SignedDuration,
}

pub(super) fn no_organization() -> Failure {
    Failure::usage("--oidc-org is missing: the organization to log in to")
}

impl Exchange {
    /// Takes what the flags leave open from the claims of a token that is not opaque: the organization from its
    /// audience, the team or user from its `scope`. Flags and claims must agree, as in Pulumi's command line.
    pub(super) fn new(
        given: GivenToken,
        organization: Option<OrganizationName>,
        asked: Option<Asked>,
        expiration: Option<SignedDuration>,
    ) -> Result<Self, Failure> {
        let claims = if given.opaque { None } else { part(&given.text, 1) };
        let claims = claims.and_then(|claims| serde_json::from_value(Value::Object(claims)).ok());
        let Claims { aud, scope } = claims.unwrap_or_default();
        let named = ["urn:runmint:org:", "urn:pulumi:org:"]
            .iter()
            .find_map(|prefix| aud.known()?.strip_prefix(prefix))
            .and_then(|name| OrganizationName::parse(name).ok());
        let scoped = scope.known().and_then(|scope| asked_by_scope(scope));
        Ok(Self {
            organization: agreed("organization", organization, named)?.ok_or_else(no_organization)?,
            asked: agreed("team or user", asked, scoped)?.unwrap_or(Asked::Organization { admin: false }),
            token: given.text,
            expiration: expiration.unwrap_or(DEFAULT_EXPIRATION),
        })
    }

    pub(super) async fn at(self, server: &ServerUrl) -> Result<Credential, Failure> {
        let request = TokenRequest {
            grant_type: GrantType::TokenExchange,
            audience: format!("urn:runmint:org:{}", self.organization),
            subject_token_type: SubjectTokenType::IdToken,
            subject_token: self.token.to_string(),
            requested_token_type: format!("urn:runmint:token-type:access_token:{}", self.asked.token_type()),
            scope: scope(&self.asked),
            expiration: Some(self.expiration.as_secs()),
            service: None,
            attributes: None,
            id_token_audience: None,
        };
        // Before the request, so that the login never outlives the token.
        let asked_at = SystemClock.now();
        let client = Client::at(server.as_str(), None)?;
        let answer = client.post::<TokenAnswer>("/api/oauth/token", &request).await?.parsed;
        let lifetime = Some(answer.expires_in).filter(|seconds| *seconds > 0).map(SignedDuration::from_secs);
        let expires_at = lifetime.and_then(|lifetime| asked_at.checked_add(lifetime).ok());
        let expires_at = expires_at.ok_or_else(|| {
            Failure::failed(format!(
                "could not use the access token: the server says that it is valid for {} seconds",
                answer.expires_in
            ))
        })?;
        Ok(Credential { access_token: Zeroizing::new(answer.access_token), expires_at: Some(expires_at) })
    }
}

/// The claims of a given token that say whom it is for; each may have any form.
#[derive(Deserialize)]
#[serde(default)]
struct Claims {
    aud: OrNewer<String>,
    scope: OrNewer<String>,
}

impl Default for Claims {
    fn default() -> Self {
        Self { aud: OrNewer::Newer(Value::Null), scope: OrNewer::Newer(Value::Null) }
    }
}

fn agreed<T: PartialEq>(what: &str, flag: Option<T>, token: Option<T>) -> Result<Option<T>, Failure> {
    match (flag, token) {
        (Some(flag), Some(token)) if flag != token => Err(Failure::usage(format!(
            "could not log in: the token names another {what} than the flags. Correct the flag or omit it"
        ))),
        (flag, token) => Ok(flag.or(token)),
    }
}

fn asked_by_scope(scope: &str) -> Option<Asked> {
    match scope.split_once(':')? {
        ("team", name) => Some(Asked::Team { name: name.to_owned() }),
        ("user", name) => Some(Asked::Personal { name: name.to_owned() }),
        _ => None,
    }
}

fn scope(asked: &Asked) -> Option<String> {
    match asked {
        Asked::Organization { admin: true } => Some("admin".to_owned()),
        Asked::Organization { admin: false } | Asked::Run(_) => None,
        Asked::Team { name } => Some(format!("team:{name}")),
        Asked::Personal { name } => Some(format!("user:{name}")),
        Asked::Runner { name } => Some(format!("runner:{name}")),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    fn given(claims: &Value, opaque: bool) -> GivenToken {
        let text = Zeroizing::new(format!("e30.{}.e30", URL_SAFE_NO_PAD.encode(claims.to_string())));
        GivenToken { text, opaque }
    }

    fn acme() -> Option<OrganizationName> {
        OrganizationName::parse("acme").ok()
    }

    #[test]
    fn a_readable_token_completes_the_flags() {
        let claims = json!({"aud": "urn:pulumi:org:acme", "scope": "team:web"});
        let exchange = Exchange::new(given(&claims, false), None, None, None).unwrap();
        assert_eq!(Some(exchange.organization), acme());
        assert_eq!(exchange.asked, Asked::Team { name: "web".into() });
        assert_eq!(exchange.expiration.as_secs(), 7_200);
        for (claims, opaque) in [
            (claims, true),
            (json!({"aud": ["urn:pulumi:org:acme"]}), false),
            (json!({"aud": "sts.amazonaws.com"}), false),
        ] {
            assert!(Exchange::new(given(&claims, opaque), None, None, None).is_err(), "{claims}");
            let exchange = Exchange::new(given(&claims, opaque), acme(), None, None).unwrap();
            assert_eq!(exchange.asked, Asked::Organization { admin: false });
        }
    }

    #[test]
    fn a_token_that_contradicts_the_flags_is_not_sent() {
        let claims = json!({"aud": "urn:runmint:org:acme", "scope": "user:ada"});
        let other = OrganizationName::parse("globex").ok();
        assert!(Exchange::new(given(&claims, false), other.clone(), None, None).is_err());
        assert!(Exchange::new(given(&claims, true), other, None, None).is_ok());
        let team = Some(Asked::Team { name: "web".into() });
        assert!(Exchange::new(given(&claims, false), acme(), team, None).is_err());
    }
}
