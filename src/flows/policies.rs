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
use crate::store::StoreError;
use crate::trust::policy::evaluation::{Asked, CompiledPolicies, Evaluation, Verdict, decide, evaluate};
use crate::trust::policy::saving::{SavingError, check_for_saving};
use crate::trust::policy::{Grant, PoliciesError, Policy, PolicyDocument, parse_policies};
use crate::trust::token::MAX_TOKEN_BYTES;

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
    #[error("somebody else changed these policies meanwhile: read them again")]
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
    check_for_saving(&policies, |service| Some(app.services.named(service)?.subject_attributes()))?;
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
pub fn in_force(app: &App, issuer: &TrustedIssuer) -> Result<Arc<CompiledPolicies>, PolicyFlowError> {
    let version = (issuer.id, issuer.policy.version);
    if let Some(policies) = app.policies.get(&version) {
        return Ok(policies);
    }
    let policies = Arc::new(CompiledPolicies::compile(&saved(issuer)?)?);
    app.policies.insert(version, Arc::clone(&policies));
    Ok(policies)
}

/// The policies in force, as they were saved.
pub fn saved(issuer: &TrustedIssuer) -> Result<Vec<Policy>, PolicyFlowError> {
    let documents: Vec<PolicyDocument> = Vec::deserialize(issuer.policy.policies.clone())?;
    Ok(parse_policies(documents)?)
}

/// The audiences that a token for this organization names, unless a policy asks for others.
pub fn audiences_of(organization: &str) -> [String; 2] {
    [format!("urn:runmint:org:{organization}"), format!("urn:pulumi:org:{organization}")]
}

/// Of `policies` those that may speak of a token with these claims: a token that is for nobody here is
/// let in only by a policy that says for whom it is.
pub fn for_audience(policies: Vec<Policy>, claims: &Map<String, Value>, organization: &str) -> Vec<Policy> {
    let is_ours = is_for(organization, claims);
    policies.into_iter().filter(|policy| is_ours || speaks_to_others(policy)).collect()
}

/// Whether a policy decides about tokens that are not for the organization, too.
pub fn speaks_to_others(policy: &Policy) -> bool {
    !policy.allows() || policy.rule("aud").is_some()
}

/// Whether a token with these claims is for the organization.
pub fn is_for(organization: &str, claims: &Map<String, Value>) -> bool {
    let ours = audiences_of(organization);
    match claims.get("aud") {
        Some(Value::String(one)) => ours.contains(one),
        Some(Value::Array(several)) => {
            several.iter().filter_map(Value::as_str).any(|one| ours.iter().any(|our| our == one))
        }
        _ => false,
    }
}

/// Why `policies` decide as they do.
pub async fn explain(
    app: &App,
    policies: &[Policy],
    claims: &Map<String, Value>,
    asked: &Asked,
) -> Result<Evaluation, PolicyFlowError> {
    let compiled = CompiledPolicies::compile(policies)?;
    let (claims, asked) = (claims.clone(), asked.clone());
    aside(app, move |_| evaluate(&compiled, &claims, &asked)).await
}

/// Decides about a token. What would take long does not hold up anybody else's requests.
pub async fn decide_in_time(
    app: &App,
    policies: &Arc<CompiledPolicies>,
    claims: &Map<String, Value>,
    asked: &Asked,
) -> Result<Verdict, PolicyFlowError> {
    if is_quick(policies) {
        return Ok(decide(policies, claims, asked));
    }
    let (policies, claims, asked) = (Arc::clone(policies), claims.clone(), asked.clone());
    aside(app, move |_| decide(&policies, &claims, &asked)).await
}

/// Those of a token's audiences that some policy asks for. The token is not verified yet: its sender may be
/// anybody, and what would take long holds up nobody else's requests here either.
pub async fn audiences_asked_for(
    app: &App,
    policies: &Arc<CompiledPolicies>,
    mut named: Vec<String>,
) -> Result<Vec<String>, PolicyFlowError> {
    let keep = |policies: &CompiledPolicies, named: &mut Vec<String>| {
        let rules = policies.policies().iter().filter(|policy| policy.allows());
        let rules: Vec<_> = rules.filter_map(|policy| policy.rule("aud")).collect();
        named.retain(|one| rules.iter().any(|rule| rule.pattern.matches(one)));
    };
    if is_quick(policies) {
        keep(policies, &mut named);
        return Ok(named);
    }
    let policies = Arc::clone(policies);
    aside(app, move |_| {
        keep(&policies, &mut named);
        named
    })
    .await
}

fn is_quick(policies: &CompiledPolicies) -> bool {
    policies.text_bytes() * MAX_TOKEN_BYTES <= DECIDED_AT_ONCE
}

/// Runs `work` apart from the threads that serve requests, one at a time. `work` can see whether anybody still
/// waits for what it finds.
async fn aside<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&AtomicBool) -> T + Send + 'static,
) -> Result<T, PolicyFlowError> {
    let turn = Arc::clone(&app.deciding).acquire_owned().await;
    let wanted = Wanted(Arc::new(AtomicBool::new(true)));
    let seen = Arc::clone(&wanted.0);
    let done = tokio::task::spawn_blocking(move || {
        // Also where nobody waits any more, the next one waits for this one's end.
        let _turn = turn;
        work(&seen)
    })
    .await;
    done.map_err(|_| PolicyFlowError::Undecided)
}

/// Says so when nobody waits any more.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Decides the last exchanges of the issuer anew, by a draft.
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
    let ours = CompiledPolicies::compile(&draft)?;
    let others = CompiledPolicies::compile(&draft.into_iter().filter(speaks_to_others).collect::<Vec<_>>())?;
    let organization = organization.name.clone();
    aside(app, move |wanted| {
        let mut replay = Replay { replayed: 0, differences: Vec::new() };
        for Exchanged { exchange, .. } in exchanges {
            if !wanted.load(Ordering::Relaxed) {
                break;
            }
            replay.replayed += 1;
            let Ok(asked) = serde_json::from_value::<Asked>(exchange.asked.clone()) else { continue };
            let policies = if is_for(organization.as_str(), &exchange.claims) { &ours } else { &others };
            let after = outcome(decide(policies, &exchange.claims, &asked));
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
