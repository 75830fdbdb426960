//! Faults, operators' actions, and recovery.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::SignedDuration;
use runmint::clock::Clock;
use runmint::flows::readiness::readiness;
use runmint::flows::refresh_keys::keys_to_sign_with;
use runmint::flows::rotate_keys::rotate_now;
use runmint::signing::algorithm::SigningAlgorithm;
use runmint::signing::keyring::{IssuerId, RingId};

use super::agenda::{Event, Recovery, Trouble};
use super::line::{Meanwhile, Mishap};
use super::replica::Replica;
use super::world::{AFTER_TROUBLE, HOUR, MINUTE, SECOND, World};

/// The approximate maximum of accesses to the key records in one look.
const ACCESSES: i64 = 14;
const MACHINES: usize = 4;

impl World {
    /// A machine that answers.
    pub(super) fn some_machine(&mut self) -> Option<usize> {
        let up: Vec<usize> = (0..self.machines.len())
            .filter(|&number| self.machines[number].running.is_some() && !self.machines[number].frozen)
            .collect();
        (!up.is_empty()).then(|| *self.chance.one_of(&up))
    }

    pub(super) fn is_within_bound(&self, number: usize) -> bool {
        self.machines[number].clock.off_by().abs() <= self.regime.policy.timing.clock_bound
    }

    pub(super) async fn perhaps_trouble(&mut self) {
        if !self.chance.percent(2) {
            return;
        }
        let trouble = *self.chance.one_of(&[
            Trouble::Crash,
            Trouble::Freeze,
            Trouble::CutOff,
            Trouble::Blind,
            Trouble::StepClock,
            Trouble::BreakClock,
            Trouble::Outage,
            Trouble::Emergency,
            Trouble::Join,
            Trouble::Leave,
        ]);
        self.trouble(trouble).await;
    }

    /// Plans a mishap in the middle of the next look.
    pub(super) fn perhaps_a_mishap(&mut self, number: usize) {
        if self.chance.percent(5) {
            let trouble =
                *self.chance.one_of(&[Trouble::Crash, Trouble::Lose, Trouble::Sleep, Trouble::Sleep]);
            self.mishap(number, trouble);
        }
    }

    fn mishap(&mut self, number: usize, trouble: Trouble) {
        let Some(replica) = self.machines[number].running.clone() else { return };
        let after = u32::try_from(self.chance.between(0, ACCESSES)).unwrap();
        let mishap = match trouble {
            Trouble::Crash => Mishap::Crash,
            Trouble::Lose => Mishap::Lose,
            _ => Mishap::Sleep(self.meanwhile(number)),
        };
        self.journal.note(format_args!("{}: {trouble:?} in {after} accesses", self.machines[number].name));
        replica.line.plan(after, mishap);
    }

    /// Plans a sleep in the middle of the next token: after the key was chosen, before its use is recorded.
    pub(super) fn perhaps_sleep_before_record(&mut self, number: usize, replica: &Replica) -> bool {
        if !replica.line.is_calm() || !self.chance.percent(20) {
            return false;
        }
        let meanwhile = self.meanwhile(number);
        replica.line.plan(0, Mishap::Sleep(meanwhile));
        true
    }

    /// The other processes' actions while this one is paused in the middle of an operation.
    fn meanwhile(&mut self, number: usize) -> Meanwhile {
        let others: Vec<Arc<Replica>> = self
            .machines
            .iter()
            .enumerate()
            .filter(|(other, machine)| *other != number && !machine.frozen)
            .filter_map(|(_, machine)| machine.running.clone())
            .collect();
        let longest = *self.chance.one_of(&[SECOND * 10, SECOND * 30, MINUTE, MINUTE * 2]);
        let steps: Vec<SignedDuration> =
            (0..12).map(|_| self.chance.duration(SECOND / 10, longest / 12)).collect();
        let alarm = if self.chance.percent(5) { self.alarm() } else { None };
        // Not the process that sleeps.
        let mut alarm = alarm.filter(|alarm| others.iter().any(|other| Arc::ptr_eq(other, &alarm.replica)));
        let (truth, journal) = (Arc::clone(&self.site.truth), Arc::clone(&self.journal));
        Box::pin(async move {
            journal.note("it sleeps");
            for step in steps {
                truth.advance(step);
                for other in &others {
                    other.look().await;
                }
                if let Some(alarm) = alarm.take() {
                    alarm.raise().await;
                }
            }
            journal.note("it wakes");
        })
    }

    pub(super) async fn trouble(&mut self, trouble: Trouble) {
        let Some(number) = self.some_machine() else { return };
        self.busy_until = self.now() + AFTER_TROUBLE;
        self.journal.note(format_args!("{trouble:?} ({})", self.machines[number].name));
        match trouble {
            Trouble::Crash | Trouble::Lose | Trouble::Sleep => self.mishap(number, trouble),
            Trouble::Freeze => {
                self.totals.freezes += 1;
                self.machines[number].frozen = true;
                self.for_a_while(number, Recovery::Thaw);
            }
            Trouble::CutOff => {
                self.totals.cuts += 1;
                self.machines[number].running.as_ref().unwrap().line.cut(true);
                self.for_a_while(number, Recovery::Mend);
            }
            Trouble::Blind => {
                self.totals.blind += 1;
                self.machines[number].running.as_ref().unwrap().is_blind.store(true, Ordering::SeqCst);
                self.for_a_while(number, Recovery::See);
            }
            Trouble::Outage => {
                if !self.site.outage.swap(true, Ordering::SeqCst) {
                    self.totals.outages += 1;
                    let end = self.now() + self.a_while();
                    self.agenda.add(end, Event::OutageEnds);
                }
            }
            Trouble::StepClock => {
                let bound = self.regime.policy.timing.clock_bound;
                let off_by = self.chance.duration(-bound, bound);
                if self.may_step(number, off_by) {
                    self.set_clock(number, off_by);
                }
            }
            Trouble::BreakClock => {
                let bound = self.regime.policy.timing.clock_bound;
                let far = *self.chance.one_of(&[SECOND * 2, MINUTE, HOUR * 3]);
                let off_by = bound + self.chance.duration(SignedDuration::from_millis(1), far);
                let off_by = if self.chance.percent(50) { -off_by } else { off_by };
                if self.may_step(number, off_by) {
                    self.totals.broken_clocks += 1;
                    self.set_clock(number, off_by);
                    let right = self.chance.duration(-bound, bound);
                    self.for_a_while(number, Recovery::SetClock(right));
                }
            }
            Trouble::Rotate => self.rotate(number).await,
            Trouble::Join => {
                if self.machines.iter().filter(|machine| !machine.gone).count() < MACHINES {
                    self.totals.joins += 1;
                    self.join().await;
                }
            }
            Trouble::Leave => self.leave(number).await,
            Trouble::Emergency => {
                if let Some(alarm) = self.alarm() {
                    alarm.raise().await;
                    self.settle(number);
                    let now = self.now();
                    self.records.check(now).await;
                }
            }
        }
    }

    fn for_a_while(&mut self, number: usize, recovery: Recovery) {
        let end = self.now() + self.a_while();
        self.agenda.add(end, Event::Recover(number, recovery));
    }

    /// Seconds, minutes, hours, or longer than any process may serve without contact to the database.
    fn a_while(&mut self) -> SignedDuration {
        let stale = self.regime.policy.serve_stale;
        match self.chance.index(4) {
            0 => self.chance.duration(SECOND, MINUTE),
            1 => self.chance.duration(MINUTE, MINUTE * 30),
            2 => self.chance.duration(MINUTE, stale.max(MINUTE * 2)),
            _ => stale + self.chance.duration(SignedDuration::ZERO, HOUR * 2),
        }
    }

    fn set_clock(&mut self, number: usize, off_by: SignedDuration) {
        let machine = &mut self.machines[number];
        let step = (off_by - machine.clock.off_by()).abs();
        self.journal.note(format_args!("the clock of {} is off by {off_by:#}", machine.name));
        machine.clock.set_off_by(off_by);
        machine.stepped = true;
        let timing = self.regime.policy.timing;
        let beyond = off_by.abs() > timing.clock_bound;
        // After a large step it must ask before it signs; after a small one it may notice at its next look.
        machine.must_refuse = beyond && (machine.must_refuse || step >= timing.lease + timing.clock_bound);
        self.totals.clock_steps += 1;
    }

    async fn leave(&mut self, number: usize) {
        if self.machines.iter().filter(|machine| machine.running.is_some()).count() < 2 {
            return;
        }
        let machine = &mut self.machines[number];
        machine.gone = true;
        let Some(replica) = machine.running.take() else { return };
        let _ = replica.app.store.end_lease(replica.app.serving.replica().id).await;
        self.totals.leaves += 1;
    }

    pub(super) async fn perhaps_rotate(&mut self) {
        if self.eager > 0
            && self.chance.percent(15)
            && let Some(number) = self.some_machine()
        {
            self.rotate(number).await;
        }
    }

    async fn rotate(&mut self, number: usize) {
        let Some(replica) = self.machines[number].running.clone() else { return };
        let algorithm = *self.chance.one_of(&SigningAlgorithm::ALL);
        let rotated = rotate_now(&replica.app, RingId { issuer: IssuerId::Shared, algorithm }).await;
        replica.listen();
        if let Ok((kid, _)) = rotated {
            self.journal.note(format_args!(
                "rotation of {algorithm} is asked for: {} is to sign",
                self.journal.name(&kid)
            ));
            self.totals.asked_rotations += 1;
            self.eager = self.eager.saturating_sub(1);
        }
        self.settle(number);
        self.notice_changes(&replica).await;
    }

    pub(super) async fn recover(&mut self, number: usize, recovery: Recovery) {
        if self.machines[number].gone {
            return;
        }
        self.journal.note(format_args!("{}: {recovery:?}", self.machines[number].name));
        match recovery {
            Recovery::Start => self.start(number).await,
            Recovery::Thaw => self.thaw(number).await,
            Recovery::Mend => {
                if let Some(replica) = &self.machines[number].running {
                    replica.line.cut(false);
                }
            }
            Recovery::See => {
                if let Some(replica) = &self.machines[number].running {
                    replica.is_blind.store(false, Ordering::SeqCst);
                }
            }
            Recovery::SetClock(off_by) => {
                if self.may_step(number, off_by) {
                    self.set_clock(number, off_by);
                } else {
                    let later = self.now() + MINUTE * 10;
                    self.agenda.add(later, Event::Recover(number, recovery));
                }
            }
        }
        if self.machines[number].running.is_some() {
            self.busy_until = self.now() + AFTER_TROUBLE;
        }
    }

    /// A disconnected process cannot know that its clock was set back, or ignores it, and would serve stale
    /// keys for longer by as much. Both faults at once are beyond what is guaranteed.
    fn may_step(&self, number: usize, off_by: SignedDuration) -> bool {
        let machine = &self.machines[number];
        let back = machine.clock.off_by() - off_by;
        let hears = |replica: &Arc<Replica>| {
            replica.line.is_up() && !replica.is_blind.load(Ordering::SeqCst) && !machine.frozen
        };
        machine.running.as_ref().is_none_or(hears) || back <= self.forgiven()
    }

    /// The process was paused, does not know it, and is asked before it looks.
    async fn thaw(&mut self, number: usize) {
        self.machines[number].frozen = false;
        let soon = self.now() + self.chance.duration(SECOND, SECOND * 5);
        self.machines[number].next_look = soon;
        let Some(replica) = self.machines[number].running.clone() else { return };
        self.fetch_from(number, &replica).await;
        self.mint_at(number, &replica).await;
    }

    pub(super) fn end_outage(&mut self) {
        self.journal.note("the outage is over");
        self.site.outage.store(false, Ordering::SeqCst);
        self.busy_until = self.now() + AFTER_TROUBLE;
    }

    pub(super) async fn start(&mut self, number: usize) {
        let machine = &mut self.machines[number];
        if machine.running.is_some() || machine.gone {
            return;
        }
        let replica = Arc::new(self.site.process(&machine.store, &machine.clock));
        let now = self.site.truth.now();
        if replica.start().await {
            machine.must_refuse = machine.clock.off_by().abs() > self.regime.policy.timing.clock_bound;
            machine.running = Some(replica);
            machine.frozen = false;
            machine.stepped = false;
            machine.in_order = false;
            machine.looked_at = Some(now);
            machine.next_look = now;
        } else {
            let again = now + self.chance.duration(SECOND, MINUTE * 10);
            self.agenda.add(again, Event::Recover(number, Recovery::Start));
        }
    }

    /// Runs after every point where a fault may have happened, to find out which process ended.
    pub(super) fn settle(&mut self, number: usize) {
        if let Some(replica) = &self.machines[number].running {
            replica.line.forget_sleep();
        }
        for number in 0..self.machines.len() {
            let machine = &mut self.machines[number];
            let Some(replica) = &machine.running else { continue };
            replica.line.count(&mut self.totals);
            let heard = replica.heard_at();
            if heard.is_some_and(|at| at >= self.site.truth.now() - SECOND) {
                machine.stepped = false;
            }
            if replica.line.has_crashed() {
                machine.running = None;
                self.totals.crashes += 1;
                self.journal.note(format_args!("{} has crashed", machine.name));
                let away = *self.chance.one_of(&[SECOND * 5, MINUTE, HOUR]);
                let again = self.now() + self.chance.duration(SECOND, away);
                self.agenda.add(again, Event::Recover(number, Recovery::Start));
            }
        }
        self.notice_emergency();
    }

    /// The invariants of a process after its look.
    pub(super) async fn check_replica(&mut self, number: usize) {
        let machine = &self.machines[number];
        let Some(replica) = machine.running.clone() else { return };
        let heard = replica.heard_at().is_some_and(|at| at >= self.now());
        if !heard {
            return;
        }
        let within = self.is_within_bound(number);
        self.machines[number].must_refuse = !within;
        if !within {
            let refuses =
                keys_to_sign_with(&replica.app).await.is_err() && !readiness(&replica.app).await.is_ready();
            replica.listen();
            self.journal
                .must(refuses, || format!("{} would sign with its clock", self.machines[number].name));
            self.count_barred(number);
        }
        let served = replica.app.serving.peek();
        let publication = served.publication_of(IssuerId::Shared).expect("it serves");
        let (revision, etag) = (served.revision, publication.jwks.etag.clone());
        let same = self.etags.entry(revision).or_insert_with(|| etag.clone());
        self.journal.must(*same == etag, || format!("revision {revision} is not the same everywhere"));
    }

    pub(super) fn count_barred(&mut self, number: usize) {
        if self.machines[number].clock.off_by().is_negative() {
            self.totals.barred_behind += 1;
        } else {
            self.totals.barred_ahead += 1;
        }
    }

    /// Ends all faults.
    pub(super) async fn heal(&mut self) {
        self.journal.note("all trouble ends");
        self.site.outage.store(false, Ordering::SeqCst);
        for number in 0..self.machines.len() {
            self.machines[number].frozen = false;
            self.set_clock(number, SignedDuration::ZERO);
            self.start(number).await;
            if let Some(replica) = &self.machines[number].running {
                replica.line.heal();
                replica.is_blind.store(false, Ordering::SeqCst);
            }
        }
    }
}
