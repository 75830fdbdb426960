//! What is to be done next.

use jiff::Timestamp;

use super::hold::Hold;
use super::life::KeyLife;
use super::policy::RotationPolicy;

/// What is to be done with the keys of one issuer and algorithm. `K` names a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<K> {
    /// Make a key and publish it.
    MakeNext,
    /// Let `next` sign from `at`, and `active`, if there is one, until then.
    Promote { next: K, active: Option<K>, at: Timestamp },
    /// Destroy a private half that signs no more.
    Destroy(K),
    /// Take a key out of the key set.
    Remove(K),
}

/// Whether a rotation is asked for or comes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    WhenDue,
    Now,
}

/// The next thing to do at `now`, as far as these keys alone tell; the store checks what others report
/// when it carries out a promotion. `None` when there is nothing to do yet.
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
    // Made as soon as the last one was chosen, so that an emergency has a warm key to go to.
    if !keys.iter().any(|(_, key)| key.waits()) {
        return Some(Step::MakeNext);
    }
    promotion(keys, policy, now, Wish::WhenDue).ok()?
}

/// The promotion that `now` allows; `Ok(None)` when it is not due.
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
    // Only behind a key that signs: otherwise nobody would.
    if active.is_some() {
        let published = keys.iter().filter(|(_, key)| key.is_published());
        if let Some(until) = published.filter_map(|(_, key)| policy.leaves_at(key)).max() {
            return Err(Hold::PreviousPublished(until));
        }
    }
    let active = active.map(|(kid, _)| kid.clone());
    Ok(Some(Step::Promote { next: next.clone(), active, at }))
}

/// From when a key that takes over in an emergency may sign: at once when it is warm. A cold one never
/// signs, so there may be a time without tokens.
pub fn emergency_start(next: &KeyLife, policy: &RotationPolicy, now: Timestamp) -> Timestamp {
    policy.warm_at(next).max(now)
}

fn should_be_destroyed(key: &KeyLife, policy: &RotationPolicy, now: Timestamp) -> bool {
    let ended = key.signs_until.is_some_and(|until| until + policy.timing.grace() <= now);
    key.has_private_half && (ended || !key.is_published())
}
