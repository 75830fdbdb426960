//! Explores every state that rotation can reach within small sizes: three replicas, crashes, arbitrarily late
//! reads, differing clocks, one verifier, one token and one revocation. The real rules in `signing::rotation`
//! decide (`next_step`, `promotion`, `emergency_start`, `KeyLife`, `RotationPolicy::signs_at`, `alarm`): a
//! tick is one of their seconds, they see each distinct table of keys once, and their answers are remembered
//! (`parts`). No rule is written twice.
//!
//! The model includes:
//!
//! - The database's clock decides. All times are ages, so that the same situation later is the same state; an
//!   age is clipped where no rule and no invariant can tell the difference.
//! - A replica reads all keys, renews its lease and acknowledges in one transaction, at any moment or never.
//!   Between reads it decides by its last read and its own clock, which is -S to S from the database's. It
//!   signs to the very end of its lease and serves key sets to the very end of `serve_stale`. It requests a
//!   promotion based on its last read; the database compares and swaps, and waits for replicas with a live
//!   lease.
//! - A crash erases a replica's memory; it restarts on any machine, with any clock. A crash can fall between
//!   any two transactions.
//! - A token is recorded only if the key's times allow it by the database's clock. Its `iat` and `exp` are by
//!   the replica's.
//! - A verifier fetches from any serving replica, at any moment, and keeps a key set to the very end of its
//!   max-age. Safety is stated per verifier and per token: one of each, chosen freely, represents all.
//! - One emergency revokes the active key, or (`AnyKey`) also the next or a previous one.
//! - A key that no process can sign with any more and no token needs is forgotten, and its slot reused. If a
//!   slot is lacking, the exploration reports that it is incomplete, and the test fails.
//!
//! The model excludes:
//!
//! - Two algorithms or two issuers: they do not interact.
//! - The lease row of a crashed replica, which delays a promotion in production but not here, so the model
//!   has more behaviours. Likewise an acknowledgement older than the serving of the key: a separate test
//!   shows that nothing is violated without acknowledgements.
//! - A pause between the record of a token and its signature. I3 is instead checked for every replica that
//!   *could* sign.
//! - I8: a database that loses transactions in a failover. The model checks that a key's time counts from the
//!   moment at which other processes can read it; the variant "published before commit" is `now()` of a
//!   transaction that commits late, and the minimum of `publish_ahead` covers that up to a lease and a clock
//!   bound.
//! - I5's self-test before publication. The model checks that each state of the table is legal.
//! - I6's readiness: a replica beyond the bound does not sign; the model does not check whether it is ready.
//! - Uploaded key sets, static copies, and the revocation of a key that is chosen but does not sign yet.
//!
//! Sizes in ticks: A = E = V = S = 1, a margin of 0, `publish_ahead` and `keep_published` at the minimums
//! that the policy's own check accepts. Each exploration is complete and violates no invariant:
//!
//! | replicas | lease | `serve_stale` | rotation | emergency | states | transitions | depth |
//! |---|---|---|---|---|---|---|---|
//! | 3 | 2 | 3 | at any moment | none | 4,056,414 | 34,077,661 | 36 |
//! | 2 | 1 | 2 | at any moment | the active key | 1,426,070 | 9,249,325 | 33 |
//! | 1 | 1 | 2 | when due | any key | 1,938,538 | 8,572,238 | 50 |
//! | 3, long | 1 | 2 | at any moment | any key | 31,916,083 | 278,290,649 | 39 |
//! | 2, long | 1 | 2 | when due | the active key | 10,300,598 | 67,461,818 | 58 |
//! | 3, long, A = E = 2 | 1 | 2 | at any moment | the active key | 13,513,855 | 111,733,734 | 38 |
//!
//! The long ones run in `make check-long`: about 4, 1 and 2 minutes of one core, and 1 GB together. In the
//! last of them clocks are at the bound, not between. Replicas are interchangeable: states that differ only
//! in their order are one. With each age clipped three ticks later the variants are found at the same depths.
//!
//! The sixteen broken variants of the reference and five more each violate the invariant that their guard
//! protects, within 382,112 states, with a shortest trace. `-- --nocapture` shows states, transitions and
//! traces.

mod database;
mod event;
mod explorer;
mod facts;
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

use event::Event;
use explorer::{Exploration, explore};
use invariants::Invariant;
use setting::{Emergency, Fault, Schedule, Setting, Ticks, seconds};
use variants::Variant;

/// Every promotion at any moment, by three replicas whose clocks differ as much as allowed.
#[test]
fn three_replicas_rotate_and_no_invariant_is_violated() {
    let found = holds(Setting::small());
    assert!(found.states > 4_000_000, "{} states", found.states);
}

#[test]
fn two_replicas_survive_an_emergency() {
    let found = holds(emergency(2));
    assert!(found.states > 1_400_000, "{} states", found.states);
}

#[test]
#[ignore = "takes minutes"]
fn three_replicas_survive_an_emergency_with_any_key() {
    let found = holds(Setting { emergency: Emergency::AnyKey, ..emergency(3) });
    assert!(found.states > 30_000_000, "{} states", found.states);
}

#[test]
#[ignore = "takes minutes"]
fn three_replicas_survive_an_emergency_with_longer_caches_and_tokens() {
    let policy = Setting { max_age: 2, token_life: 2, clock_offsets: FURTHEST, ..emergency(3) }.with_floors();
    let found = holds(policy);
    assert!(found.states > 13_000_000, "{} states", found.states);
}

/// Rotation happens when due, keys grow too old, and an alarm reports it.
#[test]
fn an_overdue_rotation_is_an_alarm_and_an_old_key_signs_nothing() {
    let found = holds(Setting { emergency: Emergency::AnyKey, ..due(1) });
    assert!(found.states > 1_900_000, "{} states", found.states);
}

#[test]
#[ignore = "takes minutes"]
fn two_replicas_rotate_when_it_is_due_and_survive_an_emergency() {
    let found = holds(Setting { emergency: Emergency::ActiveKey, ..due(2) });
    assert!(found.states > 10_000_000, "{} states", found.states);
}

#[test]
fn each_of_the_sixteen_broken_variants_is_found() {
    let variants = variants::sixteen();
    assert_eq!(variants.len(), 16);
    variants.into_iter().for_each(is_found);
}

#[test]
fn each_further_broken_variant_is_found() {
    variants::more().into_iter().for_each(is_found);
}

/// If two guards cover the same fault, each suffices. The lease and the lead are backed by the database's
/// check of the key's times, which lets tokens be made for as long as its grace.
#[test]
fn either_of_two_guards_is_enough() {
    let two = || Setting { replicas: 2, clock_offsets: FURTHEST, ..Setting::smallest() };
    let with_grace = || Setting { margin: two().clock_bound * 2, ..two() }.with_floors();
    holds(Setting { faults: vec![Fault::NoAcknowledgements], ..two() });
    holds(Setting { faults: vec![Fault::NoRecordCheck], ..two() });
    holds(Setting { faults: vec![Fault::NoLead], ..with_grace() });
    holds(Setting { faults: vec![Fault::NoLease], ..with_grace() });
}

/// The reference's bounds suffice, and one tick less does not.
#[test]
fn the_bounds_are_tight() {
    let policy = emergency(2);
    let publish_ahead = policy.max_age + policy.serve_stale + policy.clock_bound + 1;
    holds_anyhow(Setting { publish_ahead, clock_offsets: FURTHEST, ..policy.clone() });
    let cold = Setting { publish_ahead: publish_ahead - 1, ..policy.clone() };
    assert!(explore(cold, &[Invariant::I1SignsWhatIsKnown]).violation.is_some());
    // The smallest max-age gives the lowest minimum: the last token's expiry, plus a moment.
    assert_eq!(policy.keep_published, policy.token_life + policy.leeway + 1);
    let early = Setting { keep_published: policy.keep_published - 1, ..policy };
    assert!(explore(early, &[Invariant::I2VerifiesToTheEnd]).violation.is_some());
}

/// PostgreSQL's `now()` is the start of the transaction.
#[test]
fn the_floor_covers_a_commit_that_takes_a_lease_and_a_clock_bound() {
    let policy = Setting { clock_offsets: FURTHEST, ..emergency(2) };
    let late = Fault::LateCommit(policy.lease + policy.clock_bound);
    let wanted: Vec<_> =
        Invariant::ALL.into_iter().filter(|invariant| *invariant != Invariant::I8CountsFromCommit).collect();
    is_complete_and_whole(&explore(Setting { faults: vec![late], ..policy }, &wanted));
}

/// It reads, serves and requests promotions like the others, but does not sign.
#[test]
fn a_replica_whose_clock_is_beyond_the_bound_does_no_harm() {
    holds(Setting { clock_offsets: &[-1, 3], ..emergency(2) });
}

/// The clocks in between are omitted to save time.
const FURTHEST: &[Ticks] = &[-1, 1];

fn emergency(replicas: usize) -> Setting {
    Setting { replicas, emergency: Emergency::ActiveKey, ..Setting::smallest() }
}

fn due(replicas: usize) -> Setting {
    Setting { replicas, schedule: Schedule::WhenDue { alarm_after: 1 }, ..Setting::smallest() }
}

/// Uses a policy that the service accepts.
fn holds(setting: Setting) -> Exploration {
    setting.policy().check(seconds(setting.token_life)).expect("the policy is one that the service accepts");
    holds_anyhow(setting)
}

fn holds_anyhow(setting: Setting) -> Exploration {
    let has_emergency = setting.emergency != Emergency::None;
    let found = explore(setting, &Invariant::ALL);
    is_complete_and_whole(&found);
    let revocations = Event::Revoke.kind();
    for (kind, count) in found.events.iter().enumerate() {
        assert_eq!(*count > 0, kind != revocations || has_emergency, "{count} {}", Event::KINDS[kind]);
    }
    found
}

fn is_complete_and_whole(found: &Exploration) {
    report(std::thread::current().name().unwrap_or_default(), found);
    if let Some(violation) = &found.violation {
        panic!("{} is violated:\n{}", violation.invariant, violation.trace.join("\n"));
    }
    assert!(found.is_complete, "a key could not be made for want of a slot");
}

fn is_found(variant: Variant) {
    let found = explore(variant.setting, &[variant.violates]);
    report(variant.name, &found);
    let violation = found.violation.unwrap_or_else(|| panic!("{} is not found", variant.name));
    println!("  {} is violated:\n  {}", violation.invariant, violation.trace.join("\n  "));
    assert_eq!(violation.invariant, variant.violates, "{}", variant.name);
}

fn report(name: &str, found: &Exploration) {
    let Exploration { states, transitions, depth, took, bytes, parts, events, .. } = found;
    let [tables, replicas, outsides] = parts;
    println!(
        "{name}: {states} states ({tables} tables, {replicas} replicas, {outsides} outsides), \
         {transitions} transitions, depth {depth}, {took:.1?}, {} MiB",
        bytes >> 20
    );
    let events: Vec<_> =
        events.iter().zip(Event::KINDS).map(|(count, kind)| format!("{count} {kind}")).collect();
    println!("  {}", events.join(", "));
}
