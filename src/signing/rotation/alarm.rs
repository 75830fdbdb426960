//! Alarms and reminders for operators.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::life::KeyLife;
use super::policy::RotationPolicy;

/// How long before a rotation operators are reminded to upload key sets.
const REMIND_AHEAD: SignedDuration = SignedDuration::from_hours(7 * 24);

/// An alarm about the keys of one issuer and algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// The next key should have taken over at this time.
    Overdue(Timestamp),
    /// No key can sign until this time, if it is known.
    NothingSigns(Option<Timestamp>),
    /// No next key could replace the active one if it had to be revoked.
    NoNext,
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overdue(at) => write!(f, "rotation is overdue (due at {at})"),
            Self::NothingSigns(Some(at)) => write!(f, "no key can sign until {at}"),
            Self::NothingSigns(None) => f.write_str("no key can sign"),
            Self::NoNext => {
                f.write_str("the next key is missing: revoking the active key would leave no key to sign")
            }
        }
    }
}

/// The worst alarm at `now`, if any.
pub fn alarm<K>(keys: &[(K, KeyLife)], policy: &RotationPolicy, now: Timestamp) -> Option<Alarm> {
    let signing = keys.iter().find(|(_, key)| policy.signs_at(key, now));
    let designated = keys.iter().map(|(_, key)| key).find(|key| key.is_designated());
    let Some((_, active)) = signing else {
        let later = designated.and_then(|key| key.signs_from).filter(|from| *from > now);
        let waiting = || keys.iter().find(|(_, key)| key.waits()).map(|(_, key)| policy.warm_at(key));
        return Some(Alarm::NothingSigns(later.or_else(waiting).filter(|at| *at > now)));
    };
    let late = policy.due_at(active).map(|due| due + policy.timing.alarm_after);
    if active.signs_until.is_none() && late.is_some_and(|late| late <= now) {
        return Some(Alarm::Overdue(policy.due_at(active)?));
    }
    // The next key is created within a few rounds of the last promotion.
    let youngest =
        keys.iter().filter(|(_, key)| key.is_designated()).filter_map(|(_, key)| key.signs_from).max();
    let should_be_there = youngest.is_some_and(|from| from + policy.timing.alarm_after <= now);
    (should_be_there && !keys.iter().any(|(_, key)| key.waits())).then_some(Alarm::NoNext)
}

/// The next key and when it is due to sign, once that is near enough to remind operators to upload key sets.
pub fn uploads_due<'k, K>(
    keys: &'k [(K, KeyLife)],
    policy: &RotationPolicy,
    now: Timestamp,
) -> Option<(&'k K, Timestamp)> {
    let active = keys.iter().map(|(_, key)| key).find(|key| key.is_designated())?;
    let (next, _) = keys.iter().find(|(_, key)| key.waits())?;
    let due = policy.due_at(active)?;
    let ahead = REMIND_AHEAD.min(policy.rotate_every / 2);
    (due - ahead <= now).then_some((next, due))
}
