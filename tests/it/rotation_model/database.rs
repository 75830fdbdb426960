//! The database's decisions about the keys, each in one transaction and by its own clock, unless the fault
//! under test changes that.

use runmint::signing::rotation::{KeyLife, KeyState, RotationPolicy, Step, emergency_start, next_step};

use super::event::Event;
use super::replica::Promotion;
use super::setting::{Emergency, Fault, Setting, Ticks, now, seconds};
use super::table::{Key, Slots, Table, age_of};

/// The outcome of the step that the real rules require.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Maintenance {
    Nothing,
    /// The step and the resulting table. There are several only if replicas' clocks decide.
    Done(Event, Vec<Table>),
    /// The model has no slot for a new key: its sizes are too small.
    OutOfSlots,
}

pub(super) fn maintain(table: &Table, setting: &Setting, policy: &RotationPolicy) -> Maintenance {
    let mut after = *table;
    match next_step(&table.lives(), policy, now()) {
        // A replica attempts this: it may have read other rows.
        None | Some(Step::Promote { .. }) => Maintenance::Nothing,
        Some(Step::MakeNext) if table.is_full() => Maintenance::OutOfSlots,
        Some(Step::MakeNext) => {
            let published = |age: Ticks| {
                let mut after = *table;
                after.insert(Key::published(age));
                after
            };
            let ages = if setting.has(Fault::ReplicaClock) {
                setting.clock_offsets.iter().map(|offset| -offset).collect()
            } else {
                vec![setting.commit_delay()]
            };
            Maintenance::Done(Event::MakeNext, ages.into_iter().map(published).collect())
        }
        Some(Step::Destroy(slot)) => {
            after.key_mut(slot).private_half = false;
            Maintenance::Done(Event::Destroy, vec![after])
        }
        Some(Step::Remove(slot)) => {
            let gone = Key { removed: true, private_half: false, ..Key::published(0) };
            *after.key_mut(slot) = gone;
            Maintenance::Done(Event::Remove, vec![after])
        }
    }
}

/// The promotion that a replica requests, if the rows are still as it assumes.
pub(super) fn promote(table: &Table, asked: Promotion, setting: &Setting) -> Option<Table> {
    let mut after = *table;
    let next = after.keys[asked.next].as_mut()?;
    let blind = setting.has(Fault::NoCompareAndSwap);
    if !blind && !next.life().waits() {
        return None;
    }
    next.from = Some(-asked.after);
    match asked.active {
        Some(slot) => {
            let active = after.keys[slot].as_mut()?;
            if !blind && !active.life().is_designated() {
                return None;
            }
            active.until = Some(-asked.after);
        }
        None if table.slots().any(|(_, key)| key.life().is_designated()) => return None,
        None => {}
    }
    Some(after)
}

/// The tables that a revocation may produce. There is at most one revocation.
pub(super) fn revocations(table: &Table, setting: &Setting, policy: &RotationPolicy) -> Vec<Table> {
    if table.had_emergency || setting.emergency == Emergency::None {
        return Vec::new();
    }
    let any = setting.emergency == Emergency::AnyKey;
    let revoked = |(slot, life): (usize, KeyLife)| match life.state_at(now()) {
        KeyState::Active => Some(take_over(without_service(table, slot), setting, policy)),
        KeyState::Previous => any.then(|| without_service(table, slot)),
        KeyState::Next => (any && life.waits()).then(|| without_service(table, slot)),
        KeyState::Removed | KeyState::Revoked => None,
    };
    table.lives().into_iter().filter_map(revoked).collect()
}

fn without_service(table: &Table, slot: usize) -> Table {
    let mut after = Table { had_emergency: true, ..*table };
    *after.key_mut(slot) = Key { until: Some(0), revoked: Some(0), ..Key::published(0) };
    after
}

/// The next key replaces the revoked one as soon as it is warm, and a new next key is made, all in the same
/// transaction.
fn take_over(mut after: Table, setting: &Setting, policy: &RotationPolicy) -> Table {
    let scheduled = after.slots().find(|(_, key)| key.life().is_designated()).map(|(slot, _)| slot);
    let waiting = after.slots().find(|(_, key)| key.life().waits()).map(|(slot, _)| slot);
    let next = scheduled.or(waiting).unwrap_or_else(|| after.insert(Key::published(0)));
    let next = after.key_mut(next);
    let start = emergency_start(&next.life(), policy, now());
    next.from = Some(if setting.has(Fault::ColdEmergency) { 0 } else { age_of(start) });
    if !after.slots().any(|(_, key)| key.life().waits()) {
        after.insert(Key::published(0));
    }
    after
}

/// The keys with which a process whose clock is off by `clock` may have a token recorded: the conditions of
/// the statement that records it.
pub(super) fn recordable(table: &Table, clock: Ticks, setting: &Setting, policy: &RotationPolicy) -> Slots {
    if setting.has(Fault::NoRecordCheck) {
        return table.where_key(|_| true);
    }
    let now = if setting.has(Fault::ReplicaClock) { now() + seconds(clock) } else { now() };
    let grace = policy.timing.grace();
    table.where_key(|key| {
        let life = key.life();
        life.is_published()
            && life.signs_from.is_some_and(|from| from <= now + grace)
            && life.signs_until.is_none_or(|until| now < until + grace)
    })
}
