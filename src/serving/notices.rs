//! Alarms and reminders about the signing keys, as the last look found them.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::signing::keyring::RingId;

/// Something that an operator must be told about the keys of one issuer and algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingNotice {
    pub ring: RingId,
    /// The static copy that it is about, if it is about one.
    pub copy: Option<String>,
    /// For the public: what kind of problem, with times and without names.
    pub kind: String,
    /// For operators: the same with the names of processes, copies and verifiers.
    pub what: String,
}

/// Each notice is logged once, when it comes up; an alarm also when it is over. `GET /api/keys` goes on showing them,
/// and `/readyz` and the metrics that there are some.
#[derive(Default)]
pub struct Notices {
    alarms: ArcSwap<Vec<RingNotice>>,
    reminders: ArcSwap<Vec<RingNotice>>,
}

impl Notices {
    /// What is wrong with the rotation.
    pub fn alarms(&self) -> Arc<Vec<RingNotice>> {
        self.alarms.load_full()
    }

    /// What an operator has to do before it becomes an alarm.
    pub fn reminders(&self) -> Arc<Vec<RingNotice>> {
        self.reminders.load_full()
    }

    /// Replaces the alarms, and logs those that are new and those that are over.
    pub fn replace_alarms(&self, alarms: Vec<RingNotice>) {
        let before = self.alarms();
        let about = |alarm: &RingNotice| (alarm.ring, alarm.copy.clone());
        for alarm in alarms.iter().filter(|alarm| !before.contains(alarm)) {
            match &alarm.copy {
                None => {
                    tracing::error!(issuer = %alarm.ring.issuer, algorithm = %alarm.ring.algorithm, "signing keys: {} (docs/rotation.md says what to do)", alarm.what);
                }
                Some(target) => tracing::error!(target, "{} (docs/rotation.md says what to do)", alarm.what),
            }
        }
        for alarm in before.iter().filter(|alarm| !alarms.iter().any(|now| about(now) == about(alarm))) {
            match &alarm.copy {
                None => {
                    tracing::info!(issuer = %alarm.ring.issuer, algorithm = %alarm.ring.algorithm, "signing keys are in order again");
                }
                Some(target) => tracing::info!(target, "the static copy is in order again"),
            }
        }
        self.alarms.store(Arc::new(alarms));
    }

    /// Replaces the reminders, and logs those that are new.
    pub fn replace_reminders(&self, reminders: Vec<RingNotice>) {
        let before = self.reminders();
        for reminder in reminders.iter().filter(|reminder| !before.contains(reminder)) {
            tracing::warn!(issuer = %reminder.ring.issuer, algorithm = %reminder.ring.algorithm, "signing keys: {}", reminder.what);
        }
        self.reminders.store(Arc::new(reminders));
    }
}
