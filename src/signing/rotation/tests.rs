use jiff::{SignedDuration, Timestamp};

use super::*;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

fn policy() -> RotationPolicy {
    RotationPolicy {
        rotate_every: DAY * 30,
        publish_ahead: DAY,
        keep_published: DAY,
        max_key_age: DAY * 90,
        serve_stale: HOUR * 12,
        timing: Timing::REAL,
    }
}

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(hours * 3_600).unwrap()
}

fn since(signs_from: i64) -> KeyLife {
    KeyLife { signs_from: Some(at(signs_from)), ..KeyLife::published(at(signs_from)) }
}

fn lead() -> SignedDuration {
    policy().timing.lead()
}

#[test]
fn a_key_changes_state_at_its_times() {
    let mut key = KeyLife::published(at(0));
    assert_eq!(key.state_at(at(9)), KeyState::Next);
    key.signs_from = Some(at(10));
    assert_eq!((key.state_at(at(9)), key.state_at(at(10))), (KeyState::Next, KeyState::Active));
    key.signs_until = Some(at(20));
    assert_eq!((key.state_at(at(19)), key.state_at(at(20))), (KeyState::Active, KeyState::Previous));
    key.removed_at = Some(at(44));
    assert_eq!(key.state_at(at(44)), KeyState::Removed);
    key.revoked_at = Some(at(50));
    assert_eq!(key.state_at(at(50)), KeyState::Revoked);
}

#[test]
fn a_next_key_is_made_at_once_and_promoted_when_the_active_one_is_due() {
    let mut keys = vec![("a", since(0))];
    assert_eq!(next_step(&keys, &policy(), at(0)), Some(Step::MakeNext));
    keys.push(("b", KeyLife::published(at(1))));
    assert_eq!(next_step(&keys, &policy(), at(2)), None);
    let due = at(30 * 24);
    assert_eq!(next_step(&keys, &policy(), due - lead() - SignedDuration::from_secs(1)), None);
    let promote = Step::Promote { next: "b", active: Some("a"), at: due };
    assert_eq!(next_step(&keys, &policy(), due - lead()), Some(promote));
}

#[test]
fn a_cold_key_is_never_promoted() {
    let keys = vec![("a", since(0)), ("b", KeyLife::published(at(719)))];
    let warm = at(719 + 24);
    for (now, wish) in
        [(at(721), Wish::WhenDue), (at(740), Wish::Now), (warm - SignedDuration::from_secs(1), Wish::Now)]
    {
        assert_eq!(promotion(&keys, &policy(), now, wish), Err(Hold::Warming(warm)));
        assert_eq!(next_step(&keys, &policy(), now), None);
    }
    assert!(matches!(promotion(&keys, &policy(), warm, Wish::WhenDue), Ok(Some(Step::Promote { .. }))));
    // Nor when nothing else signs.
    let alone = vec![("b", KeyLife::published(at(0)))];
    assert_eq!(promotion(&alone, &policy(), at(23), Wish::WhenDue), Err(Hold::Warming(at(24))));
    assert_eq!(emergency_start(&alone[0].1, &policy(), at(3)), at(24));
    assert_eq!(emergency_start(&alone[0].1, &policy(), at(30)), at(30));
}

#[test]
fn an_operator_may_rotate_early_but_never_to_a_fourth_key() {
    let mut keys = vec![("a", since(0)), ("b", KeyLife::published(at(0)))];
    let at_once = promotion(&keys, &policy(), at(25), Wish::Now).unwrap();
    assert_eq!(at_once, Some(Step::Promote { next: "b", active: Some("a"), at: at(25) + lead() }));
    keys[0].1.signs_until = Some(at(25));
    keys[1].1.signs_from = Some(at(25));
    keys.push(("c", KeyLife::published(at(25))));
    assert_eq!(promotion(&keys, &policy(), at(49) - HOUR, Wish::Now), Err(Hold::Warming(at(49))));
    keys[2].1.published_at = at(20);
    assert_eq!(promotion(&keys, &policy(), at(45), Wish::Now), Err(Hold::PreviousPublished(at(49))));
    keys[1].1.signs_from = Some(at(46));
    assert_eq!(promotion(&keys, &policy(), at(45), Wish::Now), Err(Hold::Scheduled(at(46))));
}

#[test]
fn a_previous_key_loses_its_private_half_and_is_then_removed() {
    let old = KeyLife { signs_until: Some(at(10)), ..since(0) };
    let mut keys = vec![("a", old), ("b", since(10)), ("c", KeyLife::published(at(10)))];
    let grace = policy().timing.grace();
    assert_eq!(next_step(&keys, &policy(), at(10) + grace - SignedDuration::from_secs(1)), None);
    assert_eq!(next_step(&keys, &policy(), at(10) + grace), Some(Step::Destroy("a")));
    keys[0].1.has_private_half = false;
    assert_eq!(next_step(&keys, &policy(), at(34) - SignedDuration::from_secs(1)), None);
    assert_eq!(next_step(&keys, &policy(), at(34)), Some(Step::Remove("a")));
    keys[0].1.removed_at = Some(at(34));
    assert_eq!(next_step(&keys, &policy(), at(35)), None);
}

#[test]
fn a_revoked_key_loses_its_private_half_at_once() {
    let revoked = KeyLife { revoked_at: Some(at(5)), signs_until: Some(at(5)), ..since(0) };
    let keys =
        vec![("a", revoked), ("b", KeyLife { signs_from: Some(at(5)), ..KeyLife::published(at(-30)) })];
    assert_eq!(next_step(&keys, &policy(), at(5)), Some(Step::Destroy("a")));
}

#[test]
fn a_key_past_max_key_age_stops_signing() {
    let key = since(0);
    assert!(policy().signs_at(&key, at(90 * 24) - SignedDuration::from_secs(1)));
    assert!(!policy().signs_at(&key, at(90 * 24)));
    assert!(!policy().signs_at(&KeyLife { has_private_half: false, ..key }, at(1)));
}

#[test]
fn alarms_report_an_overdue_rotation_a_missing_next_key_and_a_missing_signer() {
    let keys = vec![("a", since(0)), ("b", KeyLife::published(at(0)))];
    let due = at(30 * 24);
    assert_eq!(alarm(&keys, &policy(), due + SignedDuration::from_secs(59)), None);
    assert_eq!(alarm(&keys, &policy(), due + SignedDuration::from_mins(1)), Some(Alarm::Overdue(due)));
    assert_eq!(alarm(&keys[..1], &policy(), at(1)), Some(Alarm::NoNext));
    assert_eq!(alarm(&keys[1..], &policy(), at(3)), Some(Alarm::NothingSigns(Some(at(24)))));
    assert_eq!(alarm::<&str>(&[], &policy(), at(3)), Some(Alarm::NothingSigns(None)));
    let scheduled = vec![("b", KeyLife { signs_from: Some(at(9)), ..KeyLife::published(at(0)) })];
    assert_eq!(alarm(&scheduled, &policy(), at(3)), Some(Alarm::NothingSigns(Some(at(9)))));
}

#[test]
fn the_defaults_pass_and_each_floor_names_the_verifier_that_would_break() {
    let lifetime = HOUR;
    assert_eq!(policy().check(lifetime), Ok(()));
    let refused = |changed: RotationPolicy| changed.check(lifetime).unwrap_err();
    let mins = SignedDuration::from_mins;
    let short = RotationPolicy { serve_stale: mins(1), ..policy() };
    assert_eq!(short.check(lifetime), Ok(()));
    for (changed, setting, floor, verifier) in [
        (RotationPolicy { publish_ahead: mins(14), ..short }, "publish_ahead", mins(15), "AWS"),
        (
            RotationPolicy { publish_ahead: HOUR * 12, ..policy() },
            "publish_ahead",
            HOUR * 12 + mins(5) + SignedDuration::from_millis(30_001),
            "go-oidc",
        ),
        (RotationPolicy { keep_published: mins(74), ..policy() }, "keep_published", mins(75), "Microsoft"),
        (RotationPolicy { rotate_every: DAY * 2, ..policy() }, "rotate_every", DAY * 2 + lead(), "Oracle"),
        (RotationPolicy { max_key_age: DAY * 30, ..policy() }, "max_key_age", DAY * 31, "every verifier"),
        (
            RotationPolicy { serve_stale: mins(0), ..policy() },
            "serve_stale",
            SignedDuration::from_secs(20),
            "every verifier",
        ),
    ] {
        let error = refused(changed);
        assert_eq!((error.setting, error.floor), (setting, floor));
        assert!(error.why.contains(verifier), "{error}");
    }
    assert_eq!(RotationPolicy { keep_published: mins(75), ..policy() }.check(lifetime), Ok(()));
}

#[test]
fn one_divisor_shortens_all_times() {
    let fast = Timing::faster(100);
    assert_eq!(fast.jwks_max_age, SignedDuration::from_secs(3));
    assert_eq!(fast.lease, SignedDuration::from_millis(200));
    assert_eq!(fast.publish_ahead_floor, SignedDuration::from_secs(9));
    assert_eq!(Timing::faster(1), Timing::REAL);
}
