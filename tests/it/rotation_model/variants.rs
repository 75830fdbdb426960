//! The protocol, broken on purpose. Each variant removes the guard it is named after and, if ours has a
//! second guard against the same fault, that one as well; its comment says which. Together they show that
//! this guard protects the invariant.

use super::invariants::Invariant;
use super::setting::{Emergency, Fault, Setting, Ticks};
use Invariant::{
    I1SignsWhatIsKnown as I1, I2VerifiesToTheEnd as I2, I3RevocationEnds as I3, I4OneSigner as I4,
    I6ClockBound as I6, I8CountsFromCommit as I8,
};

pub(super) struct Variant {
    pub(super) name: &'static str,
    pub(super) setting: Setting,
    pub(super) violates: Invariant,
}

pub(super) fn sixteen() -> Vec<Variant> {
    let (a, r, s) = (base().max_age, base().serve_stale, base().clock_bound);
    vec![
        // Acknowledgements alone would enforce a short time of publication.
        variant("no pre-publication", I1, ahead(0, &[Fault::NoAcknowledgements])),
        // Acknowledgements cover key sets that are little older than a lease.
        variant("W = A", I1, Setting { serve_stale: 4, ..ahead(a, &[]) }),
        // A promotion takes effect a lead later, so the fault shows only without a lead: after a revocation.
        variant("W = A + R", I1, emergency(ahead(a + r, &[]))),
        variant("W = A + R + S", I1, emergency(ahead(a + r + s, &[]))),
        variant("removal at E - 1", I2, keep(base().token_life - 1)),
        variant("removal without V", I2, without_leeway()),
        // The record of a token is checked separately against the key's times.
        variant("no lease", I4, faulty(&[Fault::NoLease, Fault::NoRecordCheck])),
        variant("stale JWKS unbounded", I1, faulty(&[Fault::ServesLonger(None)])),
        // The minimum of `publish_ahead` would cover this: it adds the lease and another clock bound.
        variant(
            "stale JWKS up to R + 2",
            I1,
            emergency(ahead(a + r + s + 1, &[Fault::ServesLonger(Some(2))])),
        ),
        // Acknowledgements made before the first write would let the last writer through.
        variant("no CAS", I4, faulty(&[Fault::NoCompareAndSwap, Fault::NoAcknowledgements])),
        variant("TTL > window", I2, faulty(&[Fault::LongerTokens(base().keep_published)])),
        variant("replica's clock", I1, emergency(ahead(a + r + s + 1, &[Fault::ReplicaClock]))),
        // As with the lease: the difference exceeds the clocks' only if the record is not checked either.
        variant("zero lead", I4, faulty(&[Fault::NoLead, Fault::NoRecordCheck])),
        variant("cold-key revoke", I1, emergency(faulty(&[Fault::ColdEmergency]))),
        variant("revoke without lease", I3, emergency(faulty(&[Fault::NoLease]))),
        variant("revoke with stale serving", I3, emergency(faulty(&[Fault::ServesLonger(Some(1))]))),
    ]
}

/// Variants beyond the reference's sixteen.
pub(super) fn more() -> Vec<Variant> {
    vec![
        variant("no record check", I3, emergency(faulty(&[Fault::NoRecordCheck]))),
        variant("no clock bound", I6, far_clock(&[Fault::NoClockBound])),
        variant("no clock bound: signs", I4, far_clock(&[Fault::NoClockBound, Fault::NoRecordCheck])),
        variant("published before commit", I8, faulty(&[Fault::LateCommit(1)])),
        variant("published long before commit", I1, emergency(faulty(&[Fault::LateCommit(5)]))),
    ]
}

fn variant(name: &'static str, violates: Invariant, setting: Setting) -> Variant {
    Variant { name, setting, violates }
}

/// Two replicas suffice to find each.
fn base() -> Setting {
    Setting { replicas: 2, ..Setting::small() }
}

fn faulty(faults: &[Fault]) -> Setting {
    Setting { faults: faults.to_vec(), ..base() }
}

fn ahead(publish_ahead: Ticks, faults: &[Fault]) -> Setting {
    Setting { publish_ahead, ..faulty(faults) }
}

fn keep(keep_published: Ticks) -> Setting {
    Setting { keep_published, ..base() }
}

/// With so much leeway that no other part of the minimum compensates for it.
fn without_leeway() -> Setting {
    let with = Setting { leeway: 4, ..base() }.with_floors();
    Setting { keep_published: with.keep_published - with.leeway, ..with }
}

fn emergency(setting: Setting) -> Setting {
    Setting { emergency: Emergency::ActiveKey, ..setting }
}

fn far_clock(faults: &[Fault]) -> Setting {
    Setting { clock_offsets: &[0, 3], ..faulty(faults) }
}
