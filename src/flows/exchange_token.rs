//! A token of another issuer becomes one of ours (RFC 8693), where policies say so.

mod carrying_out;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use thiserror::Error;

use self::carrying_out::Exchanging;
use crate::app::App;
use crate::domain::exchange::{Exchange, Outcome};
use crate::domain::organization::Organization;
use crate::domain::principal::PrincipalKind;
use crate::domain::run::Run;
use crate::domain::trusted_issuer::TrustedIssuer;
use crate::entropy::uuid_at;
use crate::exchange_limits::Spending;
use crate::flows::mint_id_token::MintError;
use crate::flows::policies::{PolicyFlowError, decide_in_time, in_force, outcome};
use crate::flows::start_run::StartRunError;
use crate::flows::trusted_issuers::registered;
use crate::issuer::organization_name::OrganizationName;
use crate::secret::Secret;
use crate::store::StoreError;
use crate::trust::foreign_token::{AuthenticClaims, Expectations, ForeignToken, ForeignTokenError};
use crate::trust::policy::evaluation::{Asked, Verdict};
use crate::upstream::discovery::DiscoveryError;
use crate::upstream::issuer_keys::NotVerified;

/// What is given when nobody asks for a shorter or longer life.
pub const DEFAULT_EXPIRATION_SECONDS: i64 = 7_200;
const MIN_EXPIRATION_SECONDS: i64 = 60;
/// For so long the same request gets the same answer: the first one may have been lost on its way.
const RETRY_FOR: SignedDuration = SignedDuration::from_secs(60);

/// A request whose form was checked.
pub struct TokenRequest {
    /// As it stands in `audience`, after `urn:…:org:`.
    pub organization: String,
    pub subject_token: String,
    pub asked: Asked,
    /// Whether the answer speaks of `urn:pulumi` or of `urn:runmint`.
    pub dialect: &'static str,
    pub expiration_seconds: Option<i64>,
    /// The caller's network address.
    pub caller: String,
}

/// What the caller gets.
pub struct Exchanged {
    pub expires_in_seconds: i64,
    pub gain: Gain,
}

pub enum Gain {
    AccessToken(Secret),
    /// A run that was started, its request token, and its first ID token.
    Run {
        run: Box<Run>,
        request_token: Secret,
        id_token: String,
    },
}

#[derive(Debug, Error)]
pub enum ExchangeError {
    /// The organization, too, may be the one that is unknown: which is nobody's business.
    #[error("no issuer of this URL is registered with this organization")]
    IssuerUnknown,
    #[error("the issuer's keys cannot be had right now")]
    DiscoveryUnreachable(std::sync::Arc<DiscoveryError>),
    #[error("the subject token: {0}")]
    Token(#[from] ForeignTokenError),
    #[error("no policy lets this token become what was asked for")]
    NoPolicyMatched,
    #[error("a policy denies this token what was asked for")]
    DeniedByPolicy,
    #[error("the subject token was used already; get a new one")]
    Reused,
    #[error("expiration is {MIN_EXPIRATION_SECONDS} seconds or more")]
    Expiration,
    #[error("there is no {kind} `{name}` in this organization", kind = .kind.as_str())]
    NoSuchPrincipal { kind: PrincipalKind, name: String },
    #[error(
        "the policy lets the caller choose `{0}`, which tells who a run is since services or audience profiles changed; an owner must take it from a claim"
    )]
    ChosenIdentity(String),
    #[error("the issuer or its policies changed a moment ago; try again")]
    Changed,
    #[error(transparent)]
    Run(#[from] StartRunError),
    #[error(transparent)]
    Mint(#[from] MintError),
    #[error(transparent)]
    Policies(#[from] PolicyFlowError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub async fn exchange_token(app: &App, request: TokenRequest) -> Result<Exchanged, ExchangeError> {
    let now = app.clock.now();
    let token = ForeignToken::parse(&request.subject_token)?;
    if request.expiration_seconds.is_some_and(|seconds| seconds < MIN_EXPIRATION_SECONDS) {
        return Err(ExchangeError::Expiration);
    }
    let (organization, issuer) = find(app, &request.organization, token.claimed_issuer()).await?;
    let policies = in_force(app, &issuer)?;
    let claims = verify(app, &issuer, &token, now).await?;
    let (claims, verdict) = decide_in_time(app, &policies, &organization, claims, &request.asked).await??;
    let exchange = Exchange {
        id: uuid_at(now, app.entropy.as_ref()),
        issuer_id: issuer.id,
        at: now,
        asked: json!(request.asked),
        claims: claims.all().clone(),
        outcome: outcome(verdict),
        policy_version: issuer.policy.version,
        caller: request.caller.clone(),
    };
    let Verdict::Allowed { policy } = verdict else {
        return Err(refuse(app, &organization, &exchange).await);
    };
    let policy = &policies.policies()[policy];
    Exchanging { app, now, request: &request, organization, issuer, claims, exchange }.carry_out(policy).await
}

async fn find(
    app: &App,
    organization: &str,
    issuer: &str,
) -> Result<(Organization, TrustedIssuer), ExchangeError> {
    let name = OrganizationName::parse(organization).map_err(|_| ExchangeError::IssuerUnknown)?;
    let issuer = app.store.issuer_at(name.as_str(), issuer).await?.ok_or(ExchangeError::IssuerUnknown)?;
    let organization = app.store.organization_named(&name).await?.ok_or(ExchangeError::IssuerUnknown)?;
    Ok((organization, issuer))
}

/// Checks issuer, signature and times. For whom the token is, policies say afterwards.
async fn verify(
    app: &App,
    issuer: &TrustedIssuer,
    token: &ForeignToken<'_>,
    now: Timestamp,
) -> Result<AuthenticClaims, ExchangeError> {
    let expected = Expectations {
        issuer: &issuer.url,
        max_lifetime: crate::trust::foreign_claims::DEFAULT_MAX_LIFETIME,
        now,
    };
    app.issuer_keys.verify(token, &registered(issuer), &expected).await.map_err(|error| match error {
        NotVerified::Token(error) => error.into(),
        NotVerified::Keys(error) => ExchangeError::DiscoveryUnreachable(error),
    })
}

async fn refuse(app: &App, organization: &Organization, exchange: &Exchange) -> ExchangeError {
    tracing::info!(organization = %organization.name, issuer_id = %exchange.issuer_id, outcome = exchange.outcome.as_str(), "exchange refused");
    // Anybody may have a token of a platform that everybody uses: refusals must not cost much.
    match app.exchange_limits.spend_refusal(exchange.issuer_id, exchange.at) {
        Spending::Allowed => {
            if let Err(error) = app.store.record_refusal(exchange).await {
                return error.into();
            }
        }
        Spending::FirstTooMany => {
            tracing::warn!(issuer_id = %exchange.issuer_id, "many exchanges are refused; no more of them are recorded in this minute");
        }
        Spending::TooMany => {}
    }
    match exchange.outcome {
        Outcome::Denied => ExchangeError::DeniedByPolicy,
        _ => ExchangeError::NoPolicyMatched,
    }
}
