//! model

mod database;
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
use setting::Setting;

const ALL: [Invariant; 9] = [
    Invariant::I1SignsWhatIsKnown,
    Invariant::I2VerifiesToTheEnd,
    Invariant::I3RevocationEnds,
    Invariant::I4OneSigner,
    Invariant::I5LegalTable,
    Invariant::I6ClockBound,
    Invariant::I7NeverCold,
    Invariant::I8CountsFromCommit,
    Invariant::I9Alarms,
];

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
    if let Some(violation) = &found.violation {
        println!("{} is violated:\n{}", violation.invariant, violation.trace.join("\n"));
    }
}

#[test]
fn scratch() {
    let number = |name: &str, default: i8| std::env::var(name).map_or(default, |v| v.parse().unwrap());
    let mut s = Setting::smallest();
    s.replicas = number("N", 2) as usize;
    s.max_age = number("A", 1);
    s.lease = number("L", 2);
    s.serve_stale = number("R", 2);
    s.margin = number("M", 2);
    s.emergency = [setting::Emergency::None, setting::Emergency::ActiveKey, setting::Emergency::AnyKey][number("X", 0) as usize];
    if number("DUE", 0) == 1 { s.schedule = setting::Schedule::WhenDue { alarm_after: 1 }; }
    if number("C", 3) == 2 { s.clock_offsets = &[-1, 1]; }
    let mut s = s.with_floors();
    s.publish_ahead -= number("WLESS", 0);
    s.keep_published -= number("KLESS", 0);
    println!("{:?}", s.policy().check(setting::seconds(s.token_life)));
    let found = explore(s, &ALL);
    report("scratch", &found);
}

#[test]
fn every_broken_variant_is_found() {
    for variant in variants::broken() {
        let found = explore(variant.setting, &[variant.violates]);
        report(variant.name, &found);
    }
}
