//! The periodic look of every process, and how the simulation skips it where it makes no difference.
//!
//! A leap skips looks that would have no visible effect: nothing is due, and the last look found everything
//! in order. Such a process gets what those looks would have given: a lease, and the right to sign and serve.
//! Every other process looks when the leap ends, before anything else happens, and just before a request to
//! it on the way.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::replica::Replica;
use super::world::{SECOND, World};

/// A machine whose last look is this long ago missed some looks.
const LATE: SignedDuration = SignedDuration::from_secs(7);
/// The percentage of looks that a process makes although they change nothing.
const LOOKS_ANYWAY: u64 = 10;

impl World {
    pub(super) async fn look(&mut self, number: usize) {
        let pause =
            self.regime.policy.timing.refresh_every + self.chance.duration(SignedDuration::ZERO, SECOND);
        let next = self.now() + pause;
        let Some(replica) = self.begins_to_look(number, next) else { return };
        let was_calm = replica.line.is_calm();
        let done = replica.look().await;
        self.machines[number].in_order = was_calm && done && replica.line.is_calm();
        self.settle(number);
        self.notice_changes(&replica).await;
        self.check_replica(number).await;
    }

    /// The process of a machine, if it answers.
    pub(super) async fn ask(&mut self, number: usize) -> Option<Arc<Replica>> {
        if self.is_late(number) {
            self.keep_up().await;
        }
        if self.is_late(number) {
            self.look(number).await;
        }
        let machine = &self.machines[number];
        machine.running.clone().filter(|_| !machine.frozen)
    }

    /// Runs after a leap in which nothing was due.
    pub(super) async fn everybody_keeps_up(&mut self) {
        self.keep_up().await;
        self.everybody_looks().await;
    }

    /// First renews the leases, which no process would have let expire, and then does what is due.
    pub(super) async fn everybody_looks(&mut self) {
        let mut late: Vec<usize> = (0..self.machines.len()).filter(|&number| self.is_late(number)).collect();
        self.chance.shuffle(&mut late);
        for &number in &late {
            self.renew(number).await;
        }
        if let Some(first) = late.first() {
            self.look(*first).await;
        }
    }

    pub(super) async fn notice_changes(&mut self, replica: &Replica) {
        let now = self.now();
        if replica.app.serving.peek().revision != self.records.revision() {
            self.records.check(now).await;
        } else if replica.heard_at().is_some_and(|at| at >= now) {
            self.records.are_known_at(now);
        }
    }

    async fn renew(&mut self, number: usize) {
        let soon = self.soon();
        let Some(replica) = self.begins_to_look(number, soon) else { return };
        replica.renew().await;
        self.settle(number);
        self.check_replica(number).await;
    }

    fn begins_to_look(&mut self, number: usize, next: Timestamp) -> Option<Arc<Replica>> {
        let now = self.now();
        let machine = &mut self.machines[number];
        (machine.looked_at, machine.next_look) = (Some(now), next);
        let replica = machine.running.clone().filter(|_| !machine.frozen)?;
        self.totals.looks += 1;
        Some(replica)
    }

    /// Gives processes whose looks would have found nothing the results of those looks.
    async fn keep_up(&mut self) {
        let now = self.now();
        let mut leases = Vec::new();
        for number in 0..self.machines.len() {
            if !self.is_late(number) || !self.is_in_order(number) || self.chance.percent(LOOKS_ANYWAY) {
                continue;
            }
            let soon = self.soon();
            let machine = &mut self.machines[number];
            (machine.looked_at, machine.next_look) = (Some(now), soon);
            let replica = machine.running.as_ref().expect("one that is late runs");
            replica.keep_up();
            leases.push(replica.app.serving.replica().id);
            self.totals.looks_left_out += 1;
        }
        self.records.renew_leases(&leases, now).await;
    }

    fn soon(&mut self) -> Timestamp {
        self.now() + self.chance.duration(SECOND, self.regime.policy.timing.refresh_every)
    }

    /// Whether it would have looked since, but for a leap.
    fn is_late(&self, number: usize) -> bool {
        let machine = &self.machines[number];
        let late = machine.looked_at.is_none_or(|at| self.now() > at + LATE);
        machine.running.is_some() && !machine.frozen && late
    }

    fn is_in_order(&self, number: usize) -> bool {
        let machine = &self.machines[number];
        let Some(replica) = &machine.running else { return false };
        machine.in_order
            && !machine.stepped
            && self.is_within_bound(number)
            && replica.line.is_calm()
            && replica.app.serving.peek().revision == self.records.revision()
    }
}
