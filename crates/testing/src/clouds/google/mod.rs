//! Google Cloud: a workload identity pool, its security token service, and service accounts to impersonate.

mod answers;
mod impersonation;
mod mapping;
mod token;

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::SignedDuration;
use runmint::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use self::answers::OAuthError;
use super::assertion::Assertion;
use super::issuer::Outside;
use super::sessions::Sessions;
use super::whoami;

pub const POOL: &str = "projects/123456789012/locations/global/workloadIdentityPools/runmint";

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const SUBJECT_TOKEN_TYPES: [&str; 2] =
    ["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"];
const ACCESS_TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// One pool.
pub struct Google {
    clock: Arc<dyn Clock>,
    outside: Outside,
    providers: Mutex<Vec<Provider>>,
    /// Service accounts, and the members that may impersonate them.
    pub(super) accounts: Mutex<Vec<(String, Vec<String>)>>,
    pub sessions: Sessions,
}

/// A workload identity pool provider.
#[derive(Clone)]
pub struct Provider {
    pub name: String,
    pub issuer: String,
    /// None means the provider's own names.
    pub allowed_audiences: Vec<String>,
    /// `google.subject` and `attribute.x`, each with an expression.
    pub mapping: Vec<(String, String)>,
    pub condition: Option<String>,
}

impl Provider {
    /// `//iam.googleapis.com/…`, with which a client names the provider.
    pub fn resource(&self) -> String {
        format!("//iam.googleapis.com/{POOL}/providers/{}", self.name)
    }

    fn audiences(&self) -> Vec<String> {
        if self.allowed_audiences.is_empty() {
            vec![self.resource(), format!("https:{}", self.resource())]
        } else {
            self.allowed_audiences.clone()
        }
    }
}

impl Google {
    pub(super) fn new(clock: Arc<dyn Clock>, authorities: &str) -> Arc<Self> {
        Arc::new(Self {
            clock,
            outside: Outside::trusting(authorities),
            providers: Mutex::default(),
            accounts: Mutex::default(),
            sessions: Sessions::new(),
        })
    }

    pub(super) fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/v1/token", post(token_endpoint))
            .route("/v1/projects/-/serviceAccounts/{account}", post(impersonation::generate_access_token))
            .route("/whoami", get(resource))
            .with_state(Arc::clone(self))
    }

    /// Creates a provider, or replaces the one of this name.
    pub fn put_provider(&self, provider: Provider) {
        let mut providers = self.providers.lock().unwrap();
        providers.retain(|known| known.name != provider.name);
        providers.push(provider);
    }

    /// A service account, and the members with the workload identity user role on it.
    pub fn put_account(&self, email: &str, members: &[&str]) {
        let members = members.iter().map(|&member| member.to_owned()).collect();
        let mut accounts = self.accounts.lock().unwrap();
        accounts.retain(|(known, _)| known != email);
        accounts.push((email.to_owned(), members));
    }

    /// The token service's answer to this token, without HTTP.
    pub async fn refusal(&self, provider: &str, token: &str) -> Option<String> {
        let error = self.exchange(provider, token).await.err()?;
        Some(format!("{}: {}", error.error, error.description))
    }

    async fn exchange(&self, audience: &str, token: &str) -> Result<Value, OAuthError> {
        let provider = self.provider(audience).ok_or_else(OAuthError::no_provider)?;
        let assertion = Assertion::parse(token).ok_or_else(OAuthError::not_a_jwt)?;
        token::check(&assertion, &provider, self.clock.now())?;
        let published = self.outside.look_at(&provider.issuer).await.map_err(|_| OAuthError::no_issuer())?;
        token::verify(&assertion, &provider, &published)?;
        let principal = mapping::apply(&provider, &assertion)?;
        self.sessions.accepted(&assertion);
        let (secret, session) = self.sessions.open(principal, SystemClock.now(), ACCESS_TOKEN_LIFETIME);
        let seconds = session.expires_at.as_second() - SystemClock.now().as_second();
        Ok(json!({
            "access_token": secret,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": seconds,
        }))
    }

    fn provider(&self, audience: &str) -> Option<Provider> {
        self.providers.lock().unwrap().iter().find(|provider| provider.resource() == audience).cloned()
    }
}

async fn token_endpoint(State(google): State<Arc<Google>>, headers: HeaderMap, body: String) -> Response {
    let json =
        headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let fields: Vec<(String, String)> = if json {
        let object: serde_json::Map<String, Value> = serde_json::from_str(&body).unwrap_or_default();
        object
            .into_iter()
            .map(|(name, value)| (name, value.as_str().unwrap_or_default().to_owned()))
            .collect()
    } else {
        url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
    };
    let field = |name: &str| {
        // Google's own libraries send both `subject_token` and, in JSON, `subjectToken`.
        let found = fields
            .iter()
            .find(|(field, _)| field.replace('_', "").eq_ignore_ascii_case(&name.replace('_', "")));
        found.map_or("", |(_, value)| value.as_str())
    };
    let answer = if field("grant_type") != GRANT {
        Err(OAuthError::invalid_request("Invalid grant type."))
    } else if !SUBJECT_TOKEN_TYPES.contains(&field("subject_token_type")) {
        Err(OAuthError::invalid_request("Invalid subject token type."))
    } else if field("requested_token_type") != ACCESS_TOKEN {
        Err(OAuthError::invalid_request("Invalid requested token type."))
    } else if field("scope").is_empty() {
        Err(OAuthError::invalid_request("Invalid scope."))
    } else {
        google.exchange(field("audience"), field("subject_token")).await
    };
    match answer {
        Ok(body) => Json(body).into_response(),
        Err(error) => error.answer(),
    }
}

async fn resource(State(google): State<Arc<Google>>, headers: HeaderMap) -> Response {
    whoami(&google.sessions, &headers)
}
