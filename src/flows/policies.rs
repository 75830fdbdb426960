//! The policies of a trusted issuer: what its tokens may become.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;
use uuid::Uuid;

use crate::app::App;
use crate::domain::access_token::Role;
use crate::domain::exchange::{Exchange, Exchanged, Outcome};
use crate::domain::organization::Organization;
use crate::domain::page::PageRequest;
use crate::domain::trusted_issuer::{PolicyRecord, TrustedIssuer};
use crate::issuer::organization_name::OrganizationName;
use crate::store::StoreError;
use crate::trust::policy::audience::{PoliciesInForce, audiences_of};
use crate::trust::policy::evaluation::{Asked, Evaluation, Verdict};
use crate::trust::policy::saving::{SavingError, check_for_saving};
use crate::trust::policy::{Grant, PoliciesError, Policy, PolicyDocument, parse_policies};
use crate::trust::token::limits::MAX_TOKEN_BYTES;
use crate::trust::token::{AuthenticClaims, TokenError, VerifiedClaims};

/// Bytes of policies times bytes of a token: so much takes a few milliseconds at the worst.
const DECIDED_AT_ONCE: usize = 64 * 1024 * 1024;

/// The last exchanges that a draft is tried on, at most.
pub const MAX_REPLAYED: u32 = 1_000;

#[derive(Debug, Error)]
pub enum PolicyFlowError {
    #[error("policies: {0}")]
    Form(#[from] serde_json::Error),
    #[error(transparent)]
    Policies(#[from] PoliciesError),
    #[error(transparent)]
    Saving(#[from] SavingError),
    #[error(
        "policies[{index}]: roleID is viewer or orchestrator, and goes with tokenType `organization`; an owner's token is granted by authorizedPermissions `admin` and asked for by scope `admin`"
    )]
    Role { index: usize },
    #[error("there is no such policy")]
    NoSuchPolicy,
    #[error("these policies changed in the meantime: read them again")]
    Changed,
    #[error("the policies came to no decision")]
    Undecided,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One exchange that a draft would decide otherwise.
pub struct Difference {
    pub exchange: Exchange,
    pub before: Outcome,
    pub after: Outcome,
}

/// A decision to explain.
pub struct Explaining {
    pub claims: Map<String, Value>,
    pub asked: Asked,
}

pub struct Explained {
    pub evaluation: Evaluation,
    /// How many policies do not speak to the token, because it is for another relying party.
    pub left_out: usize,
    /// The audiences of tokens that every policy speaks to.
    pub expected_audiences: [String; 2],
}

pub struct Replay {
    pub replayed: usize,
    pub differences: Vec<Difference>,
}

/// The issuer whose policies have this id.
pub async fn find_policy(
    app: &App,
    organization: &Organization,
    id: &str,
) -> Result<TrustedIssuer, PolicyFlowError> {
    let id = Uuid::parse_str(id).map_err(|_| PolicyFlowError::NoSuchPolicy)?;
    app.store.issuer_of_policy(organization.id, id).await?.ok_or(PolicyFlowError::NoSuchPolicy)
}

/// Puts these in the place of all that were there.
pub async fn replace_policies(
    app: &App,
    issuer: TrustedIssuer,
    policies: Vec<PolicyDocument>,
    by: Uuid,
) -> Result<TrustedIssuer, PolicyFlowError> {
    let parsed = parse(app, policies)?;
    let policies = serde_json::to_value(&parsed)?;
    let now = app.clock.now();
    if !app.store.replace_policies(issuer.id, issuer.policy.version, &policies, now).await? {
        return Err(PolicyFlowError::Changed);
    }
    let version = issuer.policy.version + 1;
    tracing::info!(url = issuer.url, version, policies = parsed.len(), %by, "policies replaced");
    let policy = PolicyRecord { version, policies, modified_at: now, ..issuer.policy };
    Ok(TrustedIssuer { policy, ..issuer })
}

/// Policies that may be saved.
pub fn parse(app: &App, documents: Vec<PolicyDocument>) -> Result<Vec<Policy>, PolicyFlowError> {
    let policies = parse_policies(documents)?;
    check_for_saving(&policies, |service| Some(app.issuing.services.named(service)?.subject_attributes()))?;
    for (index, policy) in policies.iter().enumerate() {
        if policy.role().is_some() && role(policy).is_none() {
            return Err(PolicyFlowError::Role { index });
        }
    }
    Ok(policies)
}

/// What an organization's token may do under this policy: `roleID`, or else start runs. A policy that
/// grants `admin` makes an owner of whoever asks for it, and nothing else does: what denies `admin` denies it.
pub fn role(policy: &Policy) -> Option<Role> {
    match (policy.grant(), policy.role()) {
        (Grant::Organization { .. }, Some(name)) => Role::parse(name).filter(|role| *role < Role::Owner),
        (_, Some(_)) => None,
        (_, None) => Some(Role::Orchestrator),
    }
}

/// The policies in force: read once for each version of them.
pub fn in_force(app: &App, issuer: &TrustedIssuer) -> Result<Arc<PoliciesInForce>, PolicyFlowError> {
    let compile = || Ok(PoliciesInForce::compile(saved(issuer)?)?);
    app.exchange_limits.compiled(issuer.id, issuer.policy.version, compile)
}

/// The policies in force, as they were saved.
pub fn saved(issuer: &TrustedIssuer) -> Result<Vec<Policy>, PolicyFlowError> {
    let documents: Vec<PolicyDocument> = Vec::deserialize(issuer.policy.policies.clone())?;
    Ok(parse_policies(documents)?)
}

/// Explains what a draft, or else the policies in force, decide about a token with these claims.
pub async fn explain(
    app: &App,
    organization: &Organization,
    issuer: &TrustedIssuer,
    draft: Option<Vec<PolicyDocument>>,
    explaining: Explaining,
) -> Result<Explained, PolicyFlowError> {
    let policies = match draft {
        Some(draft) => Arc::new(PoliciesInForce::compile(parse(app, draft)?)?),
        None => in_force(app, issuer)?,
    };
    let organization = organization.name.clone();
    aside(app, move |_| {
        let Explaining { claims, asked } = explaining;
        let speaking = policies.speaking_to(&claims, organization.as_str());
        Explained {
            evaluation: speaking.evaluate(&asked),
            left_out: speaking.left_out(),
            expected_audiences: audiences_of(organization.as_str()),
        }
    })
    .await
}

/// Decides about a token, once it is known to be for the organization or for an audience that a policy names.
/// A decision that would take long does not hold up other requests.
pub async fn decide_in_time(
    app: &App,
    policies: &Arc<PoliciesInForce>,
    organization: &Organization,
    claims: AuthenticClaims,
    asked: &Asked,
) -> Result<Result<(VerifiedClaims, Verdict), TokenError>, PolicyFlowError> {
    let decide = |policies: &PoliciesInForce, claims, organization: &OrganizationName, asked: &Asked| {
        let claims = policies.admit(claims, organization.as_str())?;
        let verdict = policies.speaking_to(claims.all(), organization.as_str()).decide(asked);
        Ok((claims, verdict))
    };
    let organization = organization.name.clone();
    if is_quick(policies) {
        return Ok(decide(policies, claims, &organization, asked));
    }
    let (policies, asked) = (Arc::clone(policies), asked.clone());
    aside(app, move |_| decide(&policies, claims, &organization, &asked)).await
}

fn is_quick(policies: &PoliciesInForce) -> bool {
    policies.text_bytes() * MAX_TOKEN_BYTES <= DECIDED_AT_ONCE
}

/// Runs `work` apart from the threads that serve requests, one at a time. `work` can see whether anybody still
/// waits for what it finds.
async fn aside<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&AtomicBool) -> T + Send + 'static,
) -> Result<T, PolicyFlowError> {
    let turn = app.exchange_limits.turn_to_decide().await;
    let wanted = Wanted(Arc::new(AtomicBool::new(true)));
    let seen = Arc::clone(&wanted.0);
    let done = tokio::task::spawn_blocking(move || {
        // Keep the turn to the end, even if the caller has gone: the next one must not run beside it.
        let _turn = turn;
        work(&seen)
    })
    .await;
    done.map_err(|_| PolicyFlowError::Undecided)
}

/// Tells the work when its caller has gone.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Decides the issuer's last exchanges again, by a draft.
pub async fn replay(
    app: &App,
    organization: &Organization,
    issuer: &TrustedIssuer,
    draft: Vec<PolicyDocument>,
    last: u32,
) -> Result<Replay, PolicyFlowError> {
    let draft = parse(app, draft)?;
    let page = PageRequest { limit: last.clamp(1, MAX_REPLAYED), before: None };
    let exchanges = app.store.exchanges(issuer.id, page).await?.items;
    let policies = PoliciesInForce::compile(draft)?;
    let organization = organization.name.clone();
    aside(app, move |wanted| {
        let mut replay = Replay { replayed: 0, differences: Vec::new() };
        for Exchanged { exchange, .. } in exchanges {
            if !wanted.load(Ordering::Relaxed) {
                break;
            }
            replay.replayed += 1;
            let Ok(asked) = serde_json::from_value::<Asked>(exchange.asked.clone()) else { continue };
            let speaking = policies.speaking_to(&exchange.claims, organization.as_str());
            let after = outcome(speaking.decide(&asked));
            if after != exchange.outcome {
                replay.differences.push(Difference { before: exchange.outcome, after, exchange });
            }
        }
        replay
    })
    .await
}

pub fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Allowed { .. } => Outcome::Allowed,
        Verdict::DeniedByPolicy { .. } => Outcome::Denied,
        Verdict::NoMatch => Outcome::NoMatch,
    }
}
