//! The rules by which keys follow one another. Pure: the time and what others report are arguments, so
//! that the same rules run in service, in the simulation and in the model.
//!
//! A key is published long before it signs, so that every cache of the key set has it by then, and stays
//! published long after, so that the last token it signed verifies to its end. What a key is at a moment
//! follows from the times in its record alone, and a change is scheduled ahead: every process that may
//! sign has read it before it takes effect.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Published, and not signing yet.
    Next,
    /// Signing; one for each issuer and algorithm.
    Active,
    /// Published still, and signing no more.
    Previous,
    /// Not published any more. Its public half stays in the record.
    Removed,
    /// Taken out of service in an emergency.
    Revoked,
}

impl KeyState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Previous => "previous",
            Self::Removed => "removed",
            Self::Revoked => "revoked",
        }
    }

    pub fn is_published(self) -> bool {
        match self {
            Self::Next | Self::Active | Self::Previous => true,
            Self::Removed | Self::Revoked => false,
        }
    }
}

/// When things happened to a key, or will, by the database's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLife {
    pub published_at: Timestamp,
    /// `None` while nothing is decided.
    pub signs_from: Option<Timestamp>,
    /// `None` while nothing is decided.
    pub signs_until: Option<Timestamp>,
    pub removed_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// Published at least so long, by the settings of when its end was decided: later ones may be shorter,
    /// and what it signed lives as long as it does.
    pub kept_until: Option<Timestamp>,
    /// Whether the private half still exists.
    pub has_private_half: bool,
}

impl KeyLife {
    pub fn published(at: Timestamp) -> Self {
        Self {
            published_at: at,
            signs_from: None,
            signs_until: None,
            removed_at: None,
            revoked_at: None,
            kept_until: None,
            has_private_half: true,
        }
    }

    pub fn state_at(&self, now: Timestamp) -> KeyState {
        if self.revoked_at.is_some() {
            return KeyState::Revoked;
        }
        if self.removed_at.is_some() {
            return KeyState::Removed;
        }
        match (self.signs_from, self.signs_until) {
            (_, Some(until)) if until <= now => KeyState::Previous,
            (Some(from), _) if from <= now => KeyState::Active,
            _ => KeyState::Next,
        }
    }

    pub fn is_published(&self) -> bool {
        self.revoked_at.is_none() && self.removed_at.is_none()
    }

    /// Published, and not chosen to sign yet.
    pub fn waits(&self) -> bool {
        self.is_published() && self.signs_from.is_none() && self.signs_until.is_none()
    }

    /// The one that signs until another is chosen: now, or from a moment that is decided.
    pub fn is_designated(&self) -> bool {
        self.is_published() && self.signs_from.is_some() && self.signs_until.is_none()
    }
}

/// How long things take. All of it scales together, so that a test can live through months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long verifiers may cache the key set: `max-age` of its answers (RFC 9111 §5.2.2.1).
    pub jwks_max_age: SignedDuration,
    /// How often a process renews its lease and looks for changes.
    pub refresh_every: SignedDuration,
    /// How long after its last look a process may sign.
    pub lease: SignedDuration,
    /// How far a process's clock may be from the database's.
    pub clock_bound: SignedDuration,
    /// How far verifiers' clocks may be from ours: AWS and Microsoft forgive five minutes.
    pub verifier_leeway: SignedDuration,
    /// Beside what can be computed.
    pub margin: SignedDuration,
    /// The least time before signing, whatever else is configured.
    pub publish_ahead_floor: SignedDuration,
    /// How late a rotation may be before it is an alarm.
    pub alarm_after: SignedDuration,
    /// How many times as fast as in service.
    pub divisor: u32,
}

impl Timing {
    pub const REAL: Self = Self {
        jwks_max_age: SignedDuration::from_mins(5),
        refresh_every: SignedDuration::from_secs(5),
        lease: SignedDuration::from_secs(20),
        clock_bound: SignedDuration::from_secs(5),
        verifier_leeway: SignedDuration::from_mins(5),
        margin: SignedDuration::from_mins(5),
        publish_ahead_floor: SignedDuration::from_mins(15),
        alarm_after: SignedDuration::from_mins(1),
        divisor: 1,
    };

    /// Everything `divisor` times as fast.
    pub fn faster(divisor: u32) -> Self {
        let real = Self { divisor: divisor.max(1), ..Self::REAL };
        Self {
            jwks_max_age: real.scaled(real.jwks_max_age),
            refresh_every: real.scaled(real.refresh_every),
            lease: real.scaled(real.lease),
            clock_bound: real.scaled(real.clock_bound),
            verifier_leeway: real.scaled(real.verifier_leeway),
            margin: real.scaled(real.margin),
            publish_ahead_floor: real.scaled(real.publish_ahead_floor),
            alarm_after: real.scaled(real.alarm_after),
            ..real
        }
    }

    /// What takes `duration` in service.
    pub fn scaled(&self, duration: SignedDuration) -> SignedDuration {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        SignedDuration::from_millis(millis / i64::from(self.divisor))
    }

    /// Whether this is for a test.
    pub fn is_faster(&self) -> bool {
        self.divisor > 1
    }

    /// What `keep_published` covers: the last token's life, and how late verifiers are.
    pub fn keep_published_floor(&self, token_lifetime_max: SignedDuration) -> SignedDuration {
        token_lifetime_max + self.verifier_leeway + self.jwks_max_age + self.margin
    }

    /// How long before it takes effect a change of the signing key is decided: every process that may
    /// sign at that moment has looked since.
    pub fn lead(&self) -> SignedDuration {
        self.lease + self.clock_bound
    }

    /// How long after a key's last moment a signature with it may still be on its way: a process whose
    /// clock is slow, and one that was just about to sign.
    pub fn grace(&self) -> SignedDuration {
        self.clock_bound * 2
    }
}

/// How long before a rotation those who upload key sets are reminded.
const REMIND_AHEAD: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What the operator decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationPolicy {
    pub rotate_every: SignedDuration,
    pub publish_ahead: SignedDuration,
    pub keep_published: SignedDuration,
    /// An active key that is older signs no more: better no token than one of a key that was forgotten.
    pub max_key_age: SignedDuration,
    /// How long the key set is served without news from the database.
    pub serve_stale: SignedDuration,
    pub timing: Timing,
}

/// A bound below which a verifier would refuse a good token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is at least {floor}: {why}", floor = self.floor.as_secs().to_string() + " seconds")]
pub struct FloorError {
    pub setting: &'static str,
    pub floor: SignedDuration,
    pub why: &'static str,
}

impl RotationPolicy {
    /// Refuses what could make some verifier refuse a valid token (or trust a removed key for longer than
    /// is promised). `token_lifetime_max` is the longest life of any token.
    pub fn check(&self, token_lifetime_max: SignedDuration) -> Result<(), FloorError> {
        let Timing { jwks_max_age, lease, clock_bound, publish_ahead_floor, .. } = self.timing;
        let floors = [
            (
                "serve_stale",
                self.serve_stale,
                lease,
                "a process that misses a few looks at the database would stop serving keys to every verifier",
            ),
            (
                "publish_ahead",
                self.publish_ahead,
                publish_ahead_floor,
                "AWS, Azure and Google were seen to take ten minutes to fetch new keys; Microsoft's libraries and Confluent look every five at most",
            ),
            (
                "publish_ahead",
                self.publish_ahead,
                self.serve_stale + jwks_max_age + lease + clock_bound * 2 + SignedDuration::from_millis(1),
                "it covers serve_stale and the max-age of the key set; a verifier that heeds Cache-Control (go-oidc, Envoy, Confluent) and was answered by a process cut off from the database would not know the new key",
            ),
            (
                "keep_published",
                self.keep_published,
                self.timing.keep_published_floor(token_lifetime_max),
                "it covers token_lifetime_max, five minutes of leeway and the max-age of the key set; AWS and Microsoft.IdentityModel would refuse the last tokens of the old key",
            ),
            (
                "rotate_every",
                self.rotate_every,
                self.publish_ahead + self.keep_published + self.timing.lead(),
                "it covers publish_ahead and keep_published, or a fourth key would be published; Oracle Cloud takes ten in all, others fewer",
            ),
            (
                "max_key_age",
                self.max_key_age,
                self.rotate_every + self.publish_ahead,
                "it covers rotate_every and publish_ahead, or a key that waits for an acknowledgement would stop signing and every verifier get no token",
            ),
        ];
        match floors.into_iter().find(|(_, found, floor, _)| found < floor) {
            Some((setting, _, floor, why)) => Err(FloorError { setting, floor, why }),
            None => Ok(()),
        }
    }

    /// From when `key` may sign as far as caches go.
    pub fn warm_at(&self, key: &KeyLife) -> Timestamp {
        key.published_at + self.publish_ahead
    }

    /// When a key that signs no more leaves the key set.
    pub fn leaves_at(&self, key: &KeyLife) -> Option<Timestamp> {
        let by_now = key.signs_until? + self.keep_published;
        Some(key.kept_until.map_or(by_now, |kept| kept.max(by_now)))
    }

    /// When the next key should take over from the one that signs.
    pub fn due_at(&self, active: &KeyLife) -> Option<Timestamp> {
        Some(active.signs_from? + self.rotate_every)
    }

    /// Whether `key` signs at `now`.
    pub fn signs_at(&self, key: &KeyLife, now: Timestamp) -> bool {
        key.state_at(now) == KeyState::Active
            && key.has_private_half
            && key.signs_from.is_some_and(|from| now < from + self.max_key_age)
    }
}

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

/// Why a key may not begin to sign yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    NoNext,
    /// Caches may not have it before then.
    Warming(Timestamp),
    /// The key before the active one is published until then.
    PreviousPublished(Timestamp),
    /// One is decided already.
    Scheduled(Timestamp),
    /// These processes have not served it for long enough.
    Replicas(Vec<String>),
    /// These uploaded key sets are not known to have it.
    SnapshotVerifiers(Vec<String>),
    /// It is not in these static copies for long enough.
    Publications(Vec<String>),
}

impl Hold {
    /// From when it no longer holds, where that is known.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Warming(at) | Self::PreviousPublished(at) | Self::Scheduled(at) => Some(*at),
            Self::NoNext | Self::Replicas(_) | Self::SnapshotVerifiers(_) | Self::Publications(_) => None,
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNext => f.write_str("there is no next key yet; one is being made"),
            Self::Warming(at) => write!(f, "verifiers may not have the next key in their caches before {at}"),
            Self::PreviousPublished(at) => {
                write!(
                    f,
                    "the key before the active one is published until {at}, for the last tokens that it signed"
                )
            }
            Self::Scheduled(at) => write!(f, "a change is decided already and takes effect at {at}"),
            Self::Replicas(ids) => write!(
                f,
                "these processes have not served the next key for the key set's max-age yet: {}",
                ids.join(", ")
            ),
            Self::SnapshotVerifiers(names) => write!(
                f,
                "these verifiers hold an uploaded key set and have not been acknowledged to have the next key: {}; upload the new key set there (`runmint keys export --public`), then `runmint keys acknowledge --jwks`",
                names.join(", ")
            ),
            Self::Publications(targets) => write!(
                f,
                "the next key is not in these static copies for the key set's max-age yet: {}",
                targets.join(", ")
            ),
        }
    }
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

/// What an operator must be told about the keys of one issuer and algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// The next key should have taken over then.
    Overdue(Timestamp),
    /// There is nothing to sign with until then, if that is known.
    NothingSigns(Option<Timestamp>),
    /// There is no key to go to in an emergency.
    NoNext,
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overdue(at) => write!(f, "rotation is overdue since {at}"),
            Self::NothingSigns(Some(at)) => write!(f, "no key signs before {at}"),
            Self::NothingSigns(None) => f.write_str("no key signs"),
            Self::NoNext => f.write_str("there is no next key to go to in an emergency"),
        }
    }
}

/// What is wrong at `now`, worst first.
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
    // One is made within a few looks of the last one's promotion.
    let youngest =
        keys.iter().filter(|(_, key)| key.is_designated()).filter_map(|(_, key)| key.signs_from).max();
    let should_be_there = youngest.is_some_and(|from| from + policy.timing.alarm_after <= now);
    (should_be_there && !keys.iter().any(|(_, key)| key.waits())).then_some(Alarm::NoNext)
}

/// The next key and when it is to sign, once that is near enough to remind whoever uploads key sets.
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

#[cfg(test)]
mod tests;
