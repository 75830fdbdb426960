//! model

mod database;
mod event;
mod explorer;
mod interned;
mod invariants;
mod outside;
mod parts;
mod replica;
mod setting;
mod shown;
mod table;
mod variants;
mod world;

use explorer::{Exploration, explore};
use invariants::Invariant;
use setting::{Emergency, Fault, Schedule, Setting, seconds};
use variants::Variant;

/// Every promotion at any moment, by three replicas whose clocks differ as much as they may.
#[test]
fn three_replicas_rotate_and_no_invariant_is_violated() {
    let found = hold(Setting::smallest());
    assert!(found.states > 4_000_000, "{} states", found.states);
}

#[test]
fn two_replicas_survive_an_emergency() {
    let found =
        hold(Setting { replicas: 2, emergency: Emergency::ActiveKey, ..Setting::smaller() }.with_floors());
    assert!(found.states > 1_000_000, "{} states", found.states);
}

#[test]
#[ignore = "takes minutes"]
fn three_replicas_survive_an_emergency_with_any_key() {
    let found = hold(Setting { emergency: Emergency::AnyKey, ..Setting::smaller() }.with_floors());
    assert!(found.states > 25_000_000, "{} states", found.states);
}

/// Rotation comes when it is due, keys grow too old, and an alarm says what is wrong.
#[test]
fn an_overdue_rotation_is_an_alarm_and_an_old_key_signs_nothing() {
    let found = hold(Setting { replicas: 1, emergency: Emergency::AnyKey, ..due() });
    assert!(found.states > 500_000, "{} states", found.states);
}

#[test]
#[ignore = "takes minutes"]
fn two_replicas_rotate_when_it_is_due_and_survive_an_emergency() {
    let found = hold(Setting { replicas: 2, emergency: Emergency::ActiveKey, ..due() });
    assert!(found.states > 5_000_000, "{} states", found.states);
}

fn due() -> Setting {
    Setting { schedule: Schedule::WhenDue { alarm_after: 1 }, ..Setting::smaller() }.with_floors()
}

#[test]
fn each_broken_variant_is_found() {
    let variants = variants::sixteen();
    assert_eq!(variants.len(), 16);
    variants.into_iter().for_each(is_found);
}

#[test]
fn so_is_what_the_sixteen_do_not_have() {
    variants::more().into_iter().for_each(is_found);
}

fn is_found(variant: Variant) {
    let found = explore(variant.setting, &[variant.violates]);
    report(variant.name, &found);
    let violated = found.violation.map(|violation| violation.invariant);
    assert_eq!(violated, Some(variant.violates), "{}", variant.name);
}

/// Where there are two guards against the same, each is enough.
#[test]
fn one_guard_of_two_is_enough() {
    for fault in [Fault::NoAcknowledgements, Fault::NoLead, Fault::NoRecordCheck, Fault::NoLease] {
        hold(Setting { replicas: 2, faults: vec![fault], ..Setting::smaller() }.with_floors());
    }
}

/// A tick less than the bounds that the reference demands, and an invariant is violated.
#[test]
fn the_bounds_are_tight() {
    let Setting { max_age, serve_stale, clock_bound, token_life, leeway, .. } = Setting::smaller();
    let emergency = Setting { replicas: 2, emergency: Emergency::ActiveKey, ..Setting::smaller().with_floors() };
    let publish_ahead = max_age + serve_stale + clock_bound + 1;
    hold(Setting { publish_ahead, ..emergency.clone() });
    let cold = Setting { publish_ahead: publish_ahead - 1, ..emergency.clone() };
    assert!(explore(cold, &[Invariant::I1SignsWhatIsKnown]).violation.is_some());
    let keep_published = token_life + leeway + 1;
    hold(Setting { keep_published, ..emergency.clone() });
    let early = Setting { keep_published: keep_published - 1, ..emergency };
    assert!(explore(early, &[Invariant::I2VerifiesToTheEnd]).violation.is_some());
}

/// It reads, serves and asks for promotions like the others. It signs nothing.
#[test]
fn a_replica_whose_clock_is_beyond_the_bound_does_no_harm() {
    let clock_offsets = &[-1, 3];
    hold(Setting { replicas: 2, clock_offsets, emergency: Emergency::ActiveKey, ..Setting::smaller() }.with_floors());
}

/// Explores everything. What is not complete, or a policy that the service would refuse, proves nothing.
fn hold(setting: Setting) -> Exploration {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let found = explore(setting, &Invariant::ALL);
    report(&name, &found);
    found
}

fn report(name: &str, found: &Exploration) {
    println!(
        "{name}: {} states, {} transitions, depth {}, {:.1?}, {} MiB, parts {:?}, complete {}",
        found.states,
        found.transitions,
        found.depth,
        found.took,
        found.bytes >> 20,
        found.parts,
        found.is_complete
    );
    println!("{:?}", found.events);
    if let Some(violation) = &found.violation {
        println!("{} is violated:\n{}", violation.invariant, violation.trace.join("\n"));
    }
}
