//! AWS: IAM's OpenID Connect providers and roles, and STS in front of them.

mod answers;
mod session;
mod token;
mod trust_policy;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use jiff::SignedDuration;
use runmint::clock::{Clock, SystemClock};
use serde_json::Value;

use self::answers::{StsError, xml};
use self::session::Request;
use super::assertion::Assertion;
use super::issuer::Outside;
use super::sessions::Sessions;

pub const ACCOUNT: &str = "111122223333";

/// One account.
pub struct Aws {
    clock: Arc<dyn Clock>,
    outside: Outside,
    providers: Mutex<Vec<Provider>>,
    roles: Mutex<Vec<Role>>,
    pub sessions: Sessions,
    calls: AtomicUsize,
    leeway: Mutex<SignedDuration>,
    /// The next answers of STS, whatever the request: code, status, text.
    next_errors: Mutex<Vec<StsError>>,
}

struct Provider {
    url: String,
    client_ids: Vec<String>,
}

#[derive(Clone)]
struct Role {
    name: String,
    trust_policy: Value,
    max_session: SignedDuration,
}

impl Aws {
    pub(super) fn new(clock: Arc<dyn Clock>, authorities: &str) -> Arc<Self> {
        Arc::new(Self {
            clock,
            outside: Outside::trusting(authorities),
            providers: Mutex::default(),
            roles: Mutex::default(),
            sessions: Sessions::new(),
            calls: AtomicUsize::new(0),
            leeway: Mutex::new(token::LEEWAY),
            next_errors: Mutex::default(),
        })
    }

    pub(super) fn router(self: &Arc<Self>) -> Router {
        Router::new().route("/", post(serve)).with_state(Arc::clone(self))
    }

    /// `create-open-id-connect-provider`. The real one advises against a port in the URL; on loopback there
    /// is no alternative.
    pub fn create_provider(&self, url: &str, client_ids: &[&str]) {
        assert!(url.starts_with("https://") && url.len() <= 255 && !url.contains(['?', '#']), "{url}");
        let client_ids = client_ids.iter().map(|&id| id.to_owned()).collect();
        self.providers.lock().unwrap().push(Provider { url: url.to_owned(), client_ids });
    }

    /// `create-role`, or `update-assume-role-policy` if the role exists. Returns its ARN.
    pub fn put_role(&self, name: &str, trust_policy: &Value) -> String {
        let role = Role {
            name: name.to_owned(),
            trust_policy: trust_policy.clone(),
            max_session: SignedDuration::from_hours(1),
        };
        let mut roles = self.roles.lock().unwrap();
        roles.retain(|known| known.name != name);
        roles.push(role);
        format!("arn:aws:iam::{ACCOUNT}:role/{name}")
    }

    /// The number of attempts to assume a role.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Sets the allowed clock difference, for a test that has shortened all other times too.
    pub fn tolerate(&self, leeway: SignedDuration) {
        *self.leeway.lock().unwrap() = leeway;
    }

    /// The number of issuers' documents fetched.
    pub fn fetches(&self) -> usize {
        self.outside.fetches()
    }

    /// Makes the next calls fail, one after the other, even if they are valid.
    pub fn fail_next(&self, code: &'static str, status: u16, message: &str) {
        self.next_errors.lock().unwrap().insert(0, StsError::new(status, code, message));
    }

    /// The answer of `AssumeRoleWithWebIdentity` to this token, without HTTP.
    pub async fn refusal(&self, role_arn: &str, token: &str) -> Option<String> {
        self.refusal_of_session(role_arn, token, "table", "").await
    }

    /// The same for a session of this name and duration.
    pub async fn refusal_of_session(
        &self,
        role_arn: &str,
        token: &str,
        name: &str,
        duration: &str,
    ) -> Option<String> {
        let request = Request::of(|field| {
            let value = match field {
                "RoleArn" => role_arn,
                "RoleSessionName" => name,
                "WebIdentityToken" => token,
                "DurationSeconds" => duration,
                _ => "",
            };
            value.to_owned()
        });
        let error = self.assume(&request).await.err()?;
        Some(format!("{} ({}): {}", error.code, error.status, error.message))
    }

    async fn assume(&self, request: &Request) -> Result<String, StsError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if let Some(error) = self.next_errors.lock().unwrap().pop() {
            return Err(error);
        }
        let duration = request.check()?;
        let assertion = Assertion::parse(&request.token).ok_or_else(StsError::not_a_jwt)?;
        let identity = token::read(&assertion)?;
        self.registered(&identity)?;
        token::in_time(&assertion, self.clock.now(), *self.leeway.lock().unwrap())?;
        let published = self.outside.look_at(&identity.issuer).await.map_err(|_| StsError::no_key())?;
        token::verify(&assertion, &published)?;
        let extras = token::extras(&assertion, &request.role_arn)?;
        let role = self.role(&request.role_arn).ok_or_else(StsError::access_denied)?;
        if !trust_policy::allows(&role.trust_policy, &identity, extras.tags, extras.source_identity) {
            return Err(StsError::access_denied());
        }
        if duration > role.max_session {
            return Err(StsError::validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{}/{}", role.name, request.session_name);
        self.sessions.accepted(&assertion);
        let (secret, session) = self.sessions.open(arn, SystemClock.now(), duration);
        Ok(answers::assumed(&identity, &session, &secret))
    }

    fn registered(&self, identity: &token::Identity) -> Result<(), StsError> {
        let providers = self.providers.lock().unwrap();
        let provider = providers.iter().find(|provider| provider.url == identity.issuer);
        match provider {
            Some(provider) if provider.client_ids.contains(&identity.audience) => Ok(()),
            _ => Err(StsError::not_validated()),
        }
    }

    fn role(&self, arn: &str) -> Option<Role> {
        let name = arn.strip_prefix(&format!("arn:aws:iam::{ACCOUNT}:role/"))?;
        self.roles.lock().unwrap().iter().find(|role| role.name == name).cloned()
    }

    /// The signer of this request, by its access key id and matching session token.
    fn caller(&self, headers: &HeaderMap) -> Result<String, StsError> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let key = header("authorization").split("Credential=").nth(1).and_then(|rest| rest.split('/').next());
        let session = self.sessions.find(header("x-amz-security-token"));
        let session =
            session.filter(|_| key == Some(&answers::access_key_id(header("x-amz-security-token"))));
        let session = session.ok_or_else(|| {
            StsError::new(
                403,
                "InvalidClientTokenId",
                "The security token included in the request is invalid.",
            )
        })?;
        if SystemClock.now() >= session.expires_at {
            let why = "The security token included in the request is expired";
            return Err(StsError::new(403, "ExpiredToken", why));
        }
        Ok(session.principal)
    }
}

async fn serve(State(aws): State<Arc<Aws>>, headers: HeaderMap, body: String) -> Response {
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let field = |name: &str| {
        fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let answer = match field("Action").as_str() {
        "AssumeRoleWithWebIdentity" => aws.assume(&Request::of(field)).await,
        "GetCallerIdentity" => aws.caller(&headers).map(|arn| answers::caller(&arn)),
        other => Err(StsError::new(400, "InvalidAction", &format!("Could not find operation {other}"))),
    };
    match answer {
        Ok(body) => xml(StatusCode::OK, body),
        Err(error) => error.answer(),
    }
}
