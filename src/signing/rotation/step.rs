//! The next step of rotation.

use jiff::Timestamp;

use super::hold::Hold;
use super::life::KeyLife;
use super::policy::RotationPolicy;

/// The next step for the keys of one issuer and algorithm. `K` identifies a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<K> {
    /// Create a key and publish it.
    MakeNext,
    /// Let `next` sign from `at` on, and `active`, if any, until then.
    Promote { next: K, active: Option<K>, at: Timestamp },
    /// Destroy the private half of a key that no longer signs.
    Destroy(K),
    /// Remove a key from the key set.
    Remove(K),
}

/// Whether an operator asked for the rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    WhenDue,
    Now,
}

/// The next step at `now`, judged by these keys alone; the store checks the reports of replicas, verifiers
/// and copies when it carries out a promotion. `None` if nothing is due.
pub fn next_step<K: Clone>(
    keys: &[(K, KeyLife)],
    policy: &RotationPolicy,
    now: Timestamp,
) -> Option<Step<K>> {
    if let Some((kid, _)) = keys.iter().find(|(_, key)| should_be_destroyed(key, policy, now)) {
        return Some(Step::Destroy(kid.clone()));
    }
    let left = |key: &KeyLife| key.is_published() && policy.leaves_at(key).is_some_and(|at| at <= now);
    if let Some((kid, _)) = keys.iter().find(|(_, key)| left(key)) {
        return Some(Step::Remove(kid.clone()));
    }
    // Created as soon as the last one was chosen, so that a warm key can replace a compromised one.
    if !keys.iter().any(|(_, key)| key.waits()) {
        return Some(Step::MakeNext);
    }
    promotion(keys, policy, now, Wish::WhenDue).ok()?
}

/// The promotion that is allowed at `now`; `Ok(None)` if it is not due.
///
/// # Errors
///
/// It is due, or wished for now, but has to wait.
pub fn promotion<K: Clone>(
    keys: &[(K, KeyLife)],
    policy: &RotationPolicy,
    now: Timestamp,
    wish: Wish,
) -> Result<Option<Step<K>>, Hold> {
    let at = now + policy.timing.lead();
    let active = keys.iter().find(|(_, key)| key.is_designated());
    if let Some(from) = active.and_then(|(_, key)| key.signs_from).filter(|from| *from > now) {
        return Err(Hold::Scheduled(from));
    }
    let due = active.and_then(|(_, key)| policy.due_at(key)).is_none_or(|due| due <= at);
    if wish == Wish::WhenDue && !due {
        return Ok(None);
    }
    let (next, life) = keys.iter().find(|(_, key)| key.waits()).ok_or(Hold::NoNext)?;
    if policy.warm_at(life) > now {
        return Err(Hold::Warming(policy.warm_at(life)));
    }
    // Only while another key signs: otherwise no key would.
    if active.is_some() {
        let published = keys.iter().filter(|(_, key)| key.is_published());
        if let Some(until) = published.filter_map(|(_, key)| policy.leaves_at(key)).max() {
            return Err(Hold::PreviousPublished(until));
        }
    }
    let active = active.map(|(kid, _)| kid.clone());
    Ok(Some(Step::Promote { next: next.clone(), active, at }))
}

/// When `next` may sign after the active key was revoked: at once if it is warm. A cold key never signs, so
/// there may be a time without tokens.
pub fn emergency_start(next: &KeyLife, policy: &RotationPolicy, now: Timestamp) -> Timestamp {
    policy.warm_at(next).max(now)
}

fn should_be_destroyed(key: &KeyLife, policy: &RotationPolicy, now: Timestamp) -> bool {
    let ended = key.signs_until.is_some_and(|until| until + policy.timing.grace() <= now);
    key.has_private_half && (ended || !key.is_published())
}
