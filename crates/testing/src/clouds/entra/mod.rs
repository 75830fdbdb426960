//! Microsoft Entra: applications with federated identity credentials, the token endpoint, and an API to call
//! with the tokens.

mod answers;
mod token;

use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::SignedDuration;
use runmint::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use self::answers::AadSts;
use super::assertion::Assertion;
use super::issuer::Outside;
use super::sessions::Sessions;
use super::whoami;

pub const TENANT: &str = "6c3d1f0e-7a52-4b7e-9b0f-2d1c5a8e4f30";
/// The number of credentials that an application can hold.
pub const MAX_CREDENTIALS: usize = 20;

const ACCESS_TOKEN_LIFETIME: SignedDuration = SignedDuration::from_mins(60);
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// One tenant.
pub struct Entra {
    clock: Arc<dyn Clock>,
    outside: Outside,
    credentials: Mutex<Vec<FederatedCredential>>,
    pub sessions: Sessions,
}

/// What an application trusts. All three are compared byte by byte.
#[derive(Clone)]
pub struct FederatedCredential {
    pub client_id: String,
    pub issuer: String,
    pub subject: String,
    pub audience: String,
}

impl Entra {
    pub(super) fn new(clock: Arc<dyn Clock>, authorities: &str) -> Arc<Self> {
        Arc::new(Self {
            clock,
            outside: Outside::trusting(authorities),
            credentials: Mutex::default(),
            sessions: Sessions::new(),
        })
    }

    pub(super) fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/{tenant}/oauth2/v2.0/token", post(token_endpoint))
            .route("/{tenant}/v2.0/.well-known/openid-configuration", get(discovery))
            .route("/whoami", get(resource))
            .with_state(Arc::clone(self))
    }

    /// `federated-credential create`. Refuses what the portal refuses, in its words.
    pub fn add_credential(&self, credential: FederatedCredential) -> Result<(), &'static str> {
        let mut known = self.credentials.lock().unwrap();
        let mine = known.iter().filter(|known| known.client_id == credential.client_id);
        if mine.clone().count() >= MAX_CREDENTIALS {
            return Err("the application has 20 federated identity credentials already");
        }
        if mine.clone().any(|other| other.issuer == credential.issuer && other.subject == credential.subject)
        {
            return Err("issuer and subject must be unique on the application");
        }
        let longest = 600;
        if [&credential.issuer, &credential.subject, &credential.audience]
            .iter()
            .any(|text| text.len() > longest)
        {
            return Err("issuer, subject and audience have at most 600 characters each");
        }
        known.push(credential);
        Ok(())
    }

    pub fn remove_credentials(&self) {
        self.credentials.lock().unwrap().clear();
    }

    /// The token endpoint's answer to this assertion, without HTTP.
    pub async fn refusal(&self, client_id: &str, assertion: &str) -> Option<String> {
        let error = self.exchange(TENANT, client_id, assertion).await.err()?;
        Some(format!("{} AADSTS{}: {}", error.error, error.code, error.message))
    }

    async fn exchange(&self, tenant: &str, client_id: &str, assertion: &str) -> Result<Value, AadSts> {
        let now = self.clock.now();
        let credentials = self.of(client_id);
        if tenant != TENANT || credentials.is_empty() {
            return Err(AadSts::no_application(client_id, tenant));
        }
        let assertion = Assertion::parse(assertion).ok_or_else(AadSts::malformed)?;
        let read = token::read(&assertion)?;
        token::matches(&read, &credentials)?;
        token::check_times(&read, now)?;
        let published = self.outside.look_at(&read.issuer).await.map_err(AadSts::from)?;
        token::verify(&assertion, &read, &published)?;
        let principal = format!("{client_id} as {}", read.subject);
        self.sessions.accepted(&assertion);
        let (secret, session) = self.sessions.open(principal, SystemClock.now(), ACCESS_TOKEN_LIFETIME);
        let seconds = (session.expires_at - SystemClock.now()).total(jiff::Unit::Second).unwrap().round();
        #[expect(clippy::cast_possible_truncation, reason = "an hour at most")]
        let seconds = seconds as i64;
        Ok(
            json!({"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": secret}),
        )
    }

    fn of(&self, client_id: &str) -> Vec<FederatedCredential> {
        let credentials = self.credentials.lock().unwrap();
        credentials.iter().filter(|known| known.client_id == client_id).cloned().collect()
    }
}

async fn token_endpoint(
    State(entra): State<Arc<Entra>>,
    Path(tenant): Path<String>,
    body: String,
) -> Response {
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let field =
        |name: &str| fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.as_str());
    let answer = if field("grant_type") != "client_credentials" {
        Err(AadSts::new("unsupported_grant_type", 70003, "The app requested an unsupported grant type."))
    } else if field("client_assertion_type") != JWT_BEARER {
        Err(AadSts::new(
            "invalid_client",
            7_000_216,
            "'client_assertion', 'client_secret' or 'request' is required.",
        ))
    } else if !field("scope").ends_with("/.default") {
        Err(AadSts::new("invalid_scope", 1_002_012, "The provided value for scope is not valid."))
    } else {
        entra.exchange(&tenant, field("client_id"), field("client_assertion")).await
    };
    match answer {
        Ok(body) => Json(body).into_response(),
        Err(error) => error.answer(),
    }
}

/// The document that libraries read before they request a token.
async fn discovery(Path(tenant): Path<String>, headers: HeaderMap) -> Json<Value> {
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let base = format!("https://{host}/{tenant}");
    Json(json!({
        "issuer": format!("{base}/v2.0"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }))
}

async fn resource(State(entra): State<Arc<Entra>>, headers: HeaderMap) -> Response {
    whoami(&entra.sessions, &headers)
}
