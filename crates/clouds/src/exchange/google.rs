//! Google's Security Token Service, and the IAM Service Account Credentials API for impersonating a service account
//! (docs.cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token).

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    AccessToken, ExchangeError, ExchangeRequest, description, form, is_token, oauth_token, passes_by_status,
};
use crate::settings::{CloudDuration, GcpSettings, Scope, ServiceAccount};

const STS: &str = "Google STS";
const IAM: &str = "Google IAM";
/// The scope unless the settings name others.
pub const DEFAULT_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// The universe domain of the public cloud.
pub const DEFAULT_UNIVERSE: &str = "googleapis.com";
/// The type of the run's token (RFC 8693 §3).
pub const TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:jwt";

/// The endpoints of a universe domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoogleEndpoints {
    /// `token` of the Security Token Service API.
    pub token_url: String,
    /// The base URL of the IAM Service Account Credentials API, up to `/v1`.
    pub iam_credentials_url: String,
}

impl GoogleEndpoints {
    /// The endpoints below `domain`, e.g. [`DEFAULT_UNIVERSE`].
    pub fn of_universe(domain: &str) -> Self {
        Self {
            token_url: format!("https://sts.{domain}/v1/token"),
            iam_credentials_url: format!("https://iamcredentials.{domain}/v1"),
        }
    }

    /// The introspection endpoint, by which gcloud learns the account of an access token.
    pub fn token_info_url(&self) -> String {
        let of_the_service = self.token_url.trim_end_matches("/token");
        format!("{of_the_service}/introspect")
    }

    /// `generateAccessToken` for the account.
    pub fn impersonation_url(&self, account: &ServiceAccount) -> String {
        format!("{}/projects/-/serviceAccounts/{account}:generateAccessToken", self.iam_credentials_url)
    }
}

/// Exchanges the run's token for an access token of the pool (RFC 8693). Impersonation needs [`DEFAULT_SCOPE`],
/// whatever scopes the final token has.
pub fn request(endpoints: &GoogleEndpoints, settings: &GcpSettings, token: &str) -> ExchangeRequest {
    let scopes = match settings.service_account {
        Some(_) => DEFAULT_SCOPE.to_owned(),
        None => scopes(settings).join(" "),
    };
    ExchangeRequest {
        url: endpoints.token_url.clone(),
        content_type: "application/x-www-form-urlencoded",
        accept: "application/json",
        bearer: None,
        body: form(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("audience", &settings.provider_resource()),
            ("scope", &scopes),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token_type", TOKEN_TYPE),
            ("subject_token", token),
        ]),
    }
}

/// Exchanges the pool's access token for one of the service account.
pub fn impersonation(
    endpoints: &GoogleEndpoints,
    settings: &GcpSettings,
    account: &ServiceAccount,
    pool_token: &AccessToken,
) -> ExchangeRequest {
    let lifetime = settings.token_lifetime.map_or(3_600, CloudDuration::seconds);
    ExchangeRequest {
        url: endpoints.impersonation_url(account),
        content_type: "application/json",
        accept: "application/json",
        bearer: Some(pool_token.token.clone()),
        body: Zeroizing::new(
            json!({"scope": scopes(settings), "lifetime": format!("{lifetime}s")}).to_string(),
        ),
    }
}

/// Reads the answer to [`request`], which was sent at `asked_at`. Errors if the service refuses the token or the
/// answer is not a token.
pub fn read(status: u16, body: &[u8], asked_at: Timestamp) -> Result<AccessToken, ExchangeError> {
    let strange = ExchangeError::Strange { service: STS, status };
    match status {
        200 => oauth_token(body, asked_at).ok_or(strange),
        _ => Err(refusal(status, body).unwrap_or(strange)),
    }
}

/// Reads the answer to [`impersonation`]. Errors like [`read`].
pub fn read_impersonation(status: u16, body: &[u8]) -> Result<AccessToken, ExchangeError> {
    let strange = ExchangeError::Strange { service: IAM, status };
    match status {
        200 => impersonated(body).ok_or(strange),
        _ => Err(iam_refusal(status, body).unwrap_or(strange)),
    }
}

/// The configured scopes, or [`DEFAULT_SCOPE`].
pub fn scopes(settings: &GcpSettings) -> Vec<&str> {
    match settings.scopes.as_slice() {
        [] => vec![DEFAULT_SCOPE],
        scopes => scopes.iter().map(Scope::as_str).collect(),
    }
}

/// The answer of `generateAccessToken` (IAM Service Account Credentials API).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Impersonated {
    access_token: String,
    /// RFC 3339.
    expire_time: String,
}

fn impersonated(body: &[u8]) -> Option<AccessToken> {
    let Impersonated { access_token, expire_time } = serde_json::from_slice(body).ok()?;
    let token = Zeroizing::new(access_token);
    if !is_token(&token) {
        return None;
    }
    Some(AccessToken { token, expires_at: expire_time.parse().ok()? })
}

/// An error response of the token service (RFC 6749 §5.2).
#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default, deserialize_with = "description")]
    error_description: String,
}

/// An error response of Google's APIs (AIP-193).
#[derive(Deserialize)]
struct ApiRefusal {
    error: ApiError,
}

#[derive(Deserialize)]
struct ApiError {
    status: String,
    #[serde(default, deserialize_with = "description")]
    message: String,
}

fn refusal(status: u16, body: &[u8]) -> Option<ExchangeError> {
    let Refusal { error: code, error_description: message } = serde_json::from_slice(body).ok()?;
    let passing = passes_by_status(status)
        || code == "quota_exceeded"
        || message.starts_with("Error connecting to the given credential's issuer");
    Some(ExchangeError::Refused { service: STS, status, code, message, passing })
}

fn iam_refusal(status: u16, body: &[u8]) -> Option<ExchangeError> {
    let ApiRefusal { error: ApiError { status: code, message } } = serde_json::from_slice(body).ok()?;
    Some(ExchangeError::Refused { service: IAM, status, code, message, passing: passes_by_status(status) })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn settings(more: &Value) -> GcpSettings {
        let mut settings = json!({"projectId": "42", "workloadPoolId": "pool", "providerId": "provider"});
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(settings).unwrap()
    }

    fn refused(status: u16, code: &str, message: &str) -> ExchangeError {
        let body = json!({"error": code, "error_description": message}).to_string();
        let Err(error) = read(status, body.as_bytes(), Timestamp::UNIX_EPOCH) else {
            panic!("it is refused")
        };
        error
    }

    #[test]
    fn a_pools_token_has_the_configured_scopes_or_the_one_for_impersonation() {
        let endpoints = GoogleEndpoints::of_universe(DEFAULT_UNIVERSE);
        let direct =
            request(&endpoints, &settings(&json!({"scopes": ["https://a/b", "https://c/d"]})), "a.b.c");
        assert_eq!(direct.url, "https://sts.googleapis.com/v1/token");
        assert_eq!(
            direct.body.as_str(),
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
             &audience=%2F%2Fiam.googleapis.com%2Fprojects%2F42%2Flocations%2Fglobal%2FworkloadIdentityPools%2Fpool%2Fproviders%2Fprovider\
             &scope=https%3A%2F%2Fa%2Fb+https%3A%2F%2Fc%2Fd\
             &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
             &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&subject_token=a.b.c"
        );
        let account = "deploy@acme.iam.gserviceaccount.com";
        let settings =
            settings(&json!({"serviceAccount": account, "scopes": ["https://a/b"], "tokenLifetime": "30m"}));
        assert!(
            request(&endpoints, &settings, "t")
                .body
                .contains("&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform&")
        );
        let pool_token =
            AccessToken { token: Zeroizing::new("pool".into()), expires_at: Timestamp::UNIX_EPOCH };
        let second =
            impersonation(&endpoints, &settings, settings.service_account.as_ref().unwrap(), &pool_token);
        assert_eq!(
            second.url,
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/deploy@acme.iam.gserviceaccount.com:generateAccessToken"
        );
        assert_eq!(second.bearer.unwrap().as_str(), "pool");
        assert_eq!(second.body.as_str(), r#"{"scope":["https://a/b"],"lifetime":"1800s"}"#);
    }

    #[test]
    fn reads_both_answers() {
        let body = json!({"accessToken": "ya29.x", "expireTime": "2026-11-21T10:00:00Z"}).to_string();
        let Ok(token) = read_impersonation(200, body.as_bytes()) else { panic!("it is an answer") };
        assert_eq!(
            (token.token.as_str(), token.expires_at.to_string().as_str()),
            ("ya29.x", "2026-11-21T10:00:00Z")
        );
        let refused =
            json!({"error": {"code": 403, "message": "Permission denied", "status": "PERMISSION_DENIED"}});
        let Err(error) = read_impersonation(403, refused.to_string().as_bytes()) else {
            panic!("it is refused")
        };
        assert_eq!(error.to_string(), "Google IAM refuses: PERMISSION_DENIED: Permission denied (HTTP 403)");
        assert!(!error.may_pass());
    }

    #[test]
    fn only_temporary_errors_are_retried() {
        let issuer = "Error connecting to the given credential's issuer.";
        for (status, code, message, passing) in [
            (400, "invalid_grant", issuer, true),
            (429, "quota_exceeded", "", true),
            (503, "unavailable", "", true),
            (
                400,
                "invalid_grant",
                "The audience in ID Token [a] does not match the expected audience.",
                false,
            ),
            (
                400,
                "unauthorized_client",
                "The given credential is rejected by the attribute condition.",
                false,
            ),
            (400, "invalid_target", "", false),
        ] {
            assert_eq!(refused(status, code, message).may_pass(), passing, "{code} {message}");
        }
    }
}
