//! A token of another issuer becomes one of ours (RFC 8693), where policies say so.

mod carrying_out;
mod request;

use jiff::Timestamp;
use serde_json::json;

use self::carrying_out::Exchanging;
use self::request::MIN_EXPIRATION_SECONDS;
pub use self::request::{DEFAULT_EXPIRATION_SECONDS, ExchangeError, Exchanged, Gain, TokenRequest};
use crate::app::App;
use crate::domain::exchange::{Exchange, Outcome};
use crate::domain::organization::Organization;
use crate::domain::trusted_issuer::TrustedIssuer;
use crate::entropy::uuid_at;
use crate::exchange_limits::Spending;
use crate::flows::policies::{decide_in_time, in_force, outcome};
use crate::flows::trusted_issuers::registered;
use crate::issuer::organization_name::OrganizationName;
use crate::trust::policy::evaluation::Verdict;
use crate::trust::token::{AuthenticClaims, Expectations, UnverifiedToken};
use crate::upstream::issuer_keys::NotVerified;

pub async fn exchange_token(app: &App, request: TokenRequest) -> Result<Exchanged, ExchangeError> {
    let now = app.clock.now();
    let token = UnverifiedToken::parse(&request.subject_token)?;
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
    token: &UnverifiedToken<'_>,
    now: Timestamp,
) -> Result<AuthenticClaims, ExchangeError> {
    let expected = Expectations {
        issuer: &issuer.url,
        max_lifetime: crate::trust::token::limits::DEFAULT_MAX_LIFETIME,
        now,
    };
    app.issuer_keys.verify(token, &registered(issuer), &expected).await.map_err(|error| match error {
        NotVerified::Token(error) => error.into(),
        NotVerified::Keys(error) => ExchangeError::DiscoveryUnreachable(error),
    })
}

async fn refuse(app: &App, organization: &Organization, exchange: &Exchange) -> ExchangeError {
    tracing::info!(organization = %organization.name, issuer_id = %exchange.issuer_id, outcome = exchange.outcome.as_str(), "exchange refused");
    // Any user of a public platform has tokens of it: refusals must be cheap.
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
