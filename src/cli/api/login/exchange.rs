//! A token of another issuer for an access token (RFC 8693).

use jiff::SignedDuration;
use serde_json::{Value, json};
use zeroize::Zeroizing;

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
    /// What flags leave open, a token that was given as it is may say: its audience the organization, its
    /// `scope` the team or user. Where both speak, they have to agree (as in Pulumi's command line).
    pub(super) fn new(
        given: GivenToken,
        organization: Option<OrganizationName>,
        asked: Option<Asked>,
        expiration: Option<SignedDuration>,
    ) -> Result<Self, Failure> {
        let claims = if given.opaque { None } else { part(&given.text, 1) };
        let claim = |name: &str| claims.as_ref()?.get(name)?.as_str();
        let named = ["urn:runmint:org:", "urn:pulumi:org:"]
            .iter()
            .find_map(|prefix| claim("aud")?.strip_prefix(prefix))
            .and_then(|name| OrganizationName::parse(name).ok());
        let scoped = claim("scope").and_then(asked_by_scope);
        Ok(Self {
            organization: agreed("organization", organization, named)?.ok_or_else(no_organization)?,
            asked: agreed("team or user", asked, scoped)?.unwrap_or(Asked::Organization { admin: false }),
            token: given.text,
            expiration: expiration.unwrap_or(DEFAULT_EXPIRATION),
        })
    }

    pub(super) async fn at(self, server: &ServerUrl) -> Result<Credential, Failure> {
        let requested = format!("urn:runmint:token-type:access_token:{}", self.asked.token_type());
        let body = json!({
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "audience": format!("urn:runmint:org:{}", self.organization),
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "subject_token": self.token.as_str(),
            "requested_token_type": requested,
            "scope": scope(&self.asked),
            "expiration": self.expiration.as_secs().to_string(),
        });
        // Before the question, so that the login never outlives the token.
        let asked_at = SystemClock.now();
        let answer = Client::at(server.as_str(), None)?.post("/api/oauth/token", Some(&body)).await?;
        let strange = || Failure::failed("the answer holds no access token: is this runmint?");
        let access_token = answer["access_token"].as_str().ok_or_else(strange)?;
        let seconds = answer["expires_in"].as_i64().filter(|seconds| *seconds > 0).ok_or_else(strange)?;
        let expires_at = asked_at.checked_add(SignedDuration::from_secs(seconds)).map_err(|_| strange())?;
        let access_token = Zeroizing::new(access_token.to_owned());
        Ok(Credential { access_token, expires_at: Some(expires_at) })
    }
}

fn agreed<T: PartialEq>(what: &str, flag: Option<T>, token: Option<T>) -> Result<Option<T>, Failure> {
    match (flag, token) {
        (Some(flag), Some(token)) if flag != token => {
            Err(Failure::usage(format!("the token is for another {what} than the flags say")))
        }
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

fn scope(asked: &Asked) -> Value {
    let scope = match asked {
        Asked::Organization { admin: true } => "admin".to_owned(),
        Asked::Organization { admin: false } | Asked::Run(_) => String::new(),
        Asked::Team { name } => format!("team:{name}"),
        Asked::Personal { name } => format!("user:{name}"),
        Asked::Runner { name } => format!("runner:{name}"),
    };
    scope.into()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn given(claims: &Value, opaque: bool) -> GivenToken {
        let text = Zeroizing::new(format!("e30.{}.e30", URL_SAFE_NO_PAD.encode(claims.to_string())));
        GivenToken { text, opaque }
    }

    fn acme() -> Option<OrganizationName> {
        OrganizationName::parse("acme").ok()
    }

    #[test]
    fn a_token_given_as_it_is_says_what_flags_leave_open() {
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
