//! The rotation policies to simulate: the defaults, and the allowed minimums.

use jiff::SignedDuration;
use runmint::signing::rotation::{RotationPolicy, Timing};

use super::chance::Chance;

pub(super) const TOKEN_LIFETIME_MAX: SignedDuration = SignedDuration::from_hours(1);

pub(super) struct Regime {
    pub(super) policy: RotationPolicy,
    /// How long the world is observed.
    pub(super) watched: SignedDuration,
    /// The fetch interval of a verifier that never fetches on demand.
    pub(super) poll_every: SignedDuration,
    pub(super) polls_through: Balancer,
}

/// The processes to which a load balancer sends requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Balancer {
    /// Those that report to be ready, and therefore reach the database.
    HeedsReadiness,
    /// Also those that cannot reach the database.
    HeedsNothing,
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn choose(chance: &mut Chance) -> Regime {
    let regime = match chance.index(10) {
        0..=4 => as_it_comes(chance),
        5..=7 => at_the_floors(chance),
        _ => in_between(chance),
    };
    assert_eq!(regime.policy.check(TOKEN_LIFETIME_MAX), Ok(()), "a policy that the configuration would take");
    regime
}

fn as_it_comes(chance: &mut Chance) -> Regime {
    let policy = RotationPolicy {
        rotate_every: DAY * 30,
        publish_ahead: DAY,
        keep_published: DAY,
        max_key_age: DAY * 90,
        serve_stale: HOUR * 12,
        timing: Timing::REAL,
    };
    // `publish_ahead` equals the polling interval, which leaves no time for a stale answer.
    let polls_through = Balancer::HeedsReadiness;
    Regime { policy, watched: chance.duration(DAY * 65, DAY * 130), poll_every: DAY, polls_through }
}

/// Every setting at its minimum.
fn at_the_floors(chance: &mut Chance) -> Regime {
    let timing = Timing::REAL;
    let around_the_other_floor =
        timing.publish_ahead_floor - timing.jwks_max_age - SignedDuration::from_secs(30);
    let serve_stale = match chance.index(4) {
        0 => timing.lease,
        1 => around_the_other_floor,
        2 => chance.duration(timing.lease, HOUR),
        _ => chance.duration(HOUR, HOUR * 6),
    };
    let covers = serve_stale + timing.jwks_max_age + timing.lease + timing.clock_bound * 2;
    let publish_ahead = timing.publish_ahead_floor.max(covers + SignedDuration::from_millis(1));
    let keep_published = timing.keep_published_floor(TOKEN_LIFETIME_MAX);
    let rotate_every = publish_ahead + keep_published + timing.lead();
    let policy = RotationPolicy {
        rotate_every,
        publish_ahead,
        keep_published,
        max_key_age: rotate_every + publish_ahead,
        serve_stale,
        timing,
    };
    Regime {
        policy,
        watched: rotate_every * 5 + chance.duration(HOUR, HOUR * 6),
        poll_every: timing.jwks_max_age,
        polls_through: Balancer::HeedsNothing,
    }
}

fn in_between(chance: &mut Chance) -> Regime {
    let serve_stale = chance.duration(HOUR, HOUR * 12);
    // The time that a verifier polling once a day needs even if a disconnected process answers it.
    let publish_ahead = DAY + serve_stale + HOUR;
    let keep_published = chance.duration(HOUR * 2, DAY);
    let rotate_every = publish_ahead + keep_published + chance.duration(DAY, DAY * 10);
    let policy = RotationPolicy {
        rotate_every,
        publish_ahead,
        keep_published,
        max_key_age: rotate_every + publish_ahead,
        serve_stale,
        timing: Timing::REAL,
    };
    let polls_through = Balancer::HeedsNothing;
    Regime { policy, watched: rotate_every * 3 + DAY, poll_every: DAY, polls_through }
}
