//! The key records in the database, and the invariants that hold for them at every moment.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use runmint::signing::rotation::{KeyLife, RotationPolicy};
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use uuid::Uuid;

use super::journal::Journal;

#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) kid: String,
    pub(super) algorithm: String,
    pub(super) life: KeyLife,
}

pub(super) struct Records {
    connection: AnyConnection,
    journal: Arc<Journal>,
    policy: RotationPolicy,
    revision: i64,
    /// The time at which the keys were known to be as recorded here.
    known_at: Timestamp,
    pub(super) keys: Vec<Record>,
    named: HashMap<String, usize>,
}

impl Records {
    pub(super) fn new(connection: AnyConnection, journal: Arc<Journal>, policy: RotationPolicy) -> Self {
        let known_at = Timestamp::UNIX_EPOCH;
        Self { connection, journal, policy, revision: 0, known_at, keys: Vec::new(), named: HashMap::new() }
    }

    pub(super) fn revision(&self) -> i64 {
        self.revision
    }

    /// A process read the revision at this time, and it had not changed.
    pub(super) fn are_known_at(&mut self, now: Timestamp) {
        self.known_at = now;
    }

    /// Reads the changes and checks that each is allowed.
    pub(super) async fn check(&mut self, now: Timestamp) {
        let known_at = std::mem::replace(&mut self.known_at, now);
        let revision = self.number("SELECT revision FROM key_revision WHERE id = 1").await;
        if revision == self.revision {
            return;
        }
        self.revision = revision;
        let found = self.read().await;
        let before = std::mem::replace(&mut self.keys, found);
        self.name_new_keys();
        self.tell_changes(&before);
        self.history_is_kept(&before, known_at, now);
        self.changes_were_acknowledged(&before).await;
        for algorithm in ["RS256", "ES256"] {
            self.ring_is_in_order(algorithm);
        }
    }

    pub(super) fn find(&self, kid: &str) -> Option<&Record> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    fn ring<'a>(&'a self, algorithm: &'a str) -> impl Iterator<Item = &'a Record> {
        self.keys.iter().filter(move |key| key.algorithm == algorithm)
    }

    /// The key that certainly signs, by any clock within the bound.
    pub(super) fn certain_signer<'a>(&'a self, algorithm: &'a str, now: Timestamp) -> Option<&'a Record> {
        let around = self.policy.timing.clock_bound + SignedDuration::from_secs(1);
        let signs = |key: &Record, at| self.policy.signs_at(&key.life, at);
        self.ring(algorithm).find(|key| signs(key, now - around) && signs(key, now + around))
    }

    /// The times of automatic events, or of those of an operator who is `eager` to rotate.
    pub(super) fn turns(&self, eager: bool) -> Vec<Timestamp> {
        let policy = &self.policy;
        let mut turns = Vec::new();
        for Record { algorithm, life, .. } in self.keys.iter().filter(|key| key.life.is_published()) {
            if life.waits() && (eager || self.due_at(algorithm).is_none_or(|due| due <= policy.warm_at(life)))
            {
                turns.push(policy.warm_at(life));
            }
            if life.is_designated() {
                turns.extend(policy.due_at(life).map(|due| due - policy.timing.lead()));
                turns.extend(life.signs_from.map(|from| from + policy.max_key_age));
            }
            turns.extend(life.signs_from);
            turns.extend(life.signs_until);
            turns.extend(policy.leaves_at(life));
        }
        turns
    }

    /// Whether a key's rotation is overdue.
    pub(super) fn is_late(&self, now: Timestamp) -> bool {
        let due = |algorithm| self.due_at(algorithm).is_none_or(|due| due <= now);
        let warm = |key: &&Record| key.life.waits() && self.policy.warm_at(&key.life) <= now;
        self.keys.iter().filter(warm).any(|key| due(&key.algorithm))
    }

    /// When the active key is due to be replaced, if there is one.
    fn due_at(&self, algorithm: &str) -> Option<Timestamp> {
        let designated = self.ring(algorithm).find(|key| key.life.is_designated())?;
        self.policy.due_at(&designated.life)
    }

    /// The number of recorded tokens of this key.
    pub(super) async fn tokens_of(&mut self, kid: &str) -> i64 {
        self.number(&format!("SELECT COUNT(*) FROM id_tokens WHERE kid = '{kid}'")).await
    }

    /// Does what the processes would have done themselves.
    pub(super) async fn renew_leases(&mut self, replicas: &[Uuid], now: Timestamp) {
        if replicas.is_empty() {
            return;
        }
        let ids: Vec<String> = replicas.iter().map(|id| format!("'{id}'")).collect();
        let (seen_at, until) = (now.as_millisecond(), (now + self.policy.timing.lease).as_millisecond());
        let sql = format!(
            "UPDATE replicas SET seen_at = {seen_at}, lease_until = {until} WHERE id IN ({})",
            ids.join(",")
        );
        self.execute(&sql).await;
    }

    pub(super) async fn execute(&mut self, sql: &str) {
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut self.connection).await.unwrap();
    }

    async fn number(&mut self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut self.connection).await.unwrap()
    }

    async fn read(&mut self) -> Vec<Record> {
        let sql = "SELECT kid, algorithm, published_at, signs_from, signs_until, removed_at, revoked_at,
                       CASE WHEN private_key IS NULL THEN 0 ELSE 1 END AS has_private_half
                   FROM signing_keys ORDER BY created_at, algorithm, COALESCE(signs_from, published_at + 1), kid";
        let rows = sqlx::query(sql).fetch_all(&mut self.connection).await.unwrap();
        let time = |millis| Timestamp::from_millisecond(millis).unwrap();
        let record = |row: &sqlx::any::AnyRow| {
            let at = |column: &str| row.get::<Option<i64>, _>(column).map(time);
            Record {
                kid: row.get("kid"),
                algorithm: row.get("algorithm"),
                life: KeyLife {
                    published_at: time(row.get("published_at")),
                    signs_from: at("signs_from"),
                    signs_until: at("signs_until"),
                    removed_at: at("removed_at"),
                    kept_until: None,
                    revoked_at: at("revoked_at"),
                    has_private_half: row.get::<i64, _>("has_private_half") == 1,
                },
            }
        };
        rows.iter().map(record).collect()
    }

    fn name_new_keys(&mut self) {
        for Record { kid, algorithm, .. } in &self.keys {
            if self.journal.is_named(kid) {
                continue;
            }
            let number = self.named.entry(algorithm.clone()).or_default();
            *number += 1;
            self.journal.give_name(kid, format!("{}{number}", &algorithm[..2]));
        }
    }

    fn tell_changes(&self, before: &[Record]) {
        for key in &self.keys {
            let old = before.iter().find(|old| old.kid == key.kid);
            if old.is_some_and(|old| old.life == key.life) {
                continue;
            }
            let at = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| self.journal.at(time));
            let KeyLife { signs_from, signs_until, removed_at, revoked_at, has_private_half, .. } = key.life;
            self.journal.note(format_args!(
                "record of {}: signs from {} until {}, removed {}, revoked {}{}",
                self.journal.name(&key.kid),
                at(signs_from),
                at(signs_until),
                at(removed_at),
                at(revoked_at),
                if has_private_half { "" } else { ", no private half" },
            ));
        }
    }

    /// Past times in the last known records never change, and no key returns.
    fn history_is_kept(&self, before: &[Record], known_at: Timestamp, now: Timestamp) {
        for old in before {
            let name = self.journal.name(&old.kid);
            let Some(new) = self.find(&old.kid) else { self.journal.wrong(format_args!("{name} vanished")) };
            let (old, new) = (&old.life, &new.life);
            let past = |time: Option<Timestamp>| time.filter(|time| *time <= known_at);
            let kept = old.published_at == new.published_at
                && (old.removed_at.is_none() || new.removed_at == old.removed_at)
                && (old.revoked_at.is_none() || new.revoked_at == old.revoked_at)
                && (past(old.signs_from).is_none() || new.signs_from == old.signs_from)
                && (past(old.signs_until).is_none() || new.signs_until == old.signs_until)
                && (old.has_private_half || !new.has_private_half);
            self.journal.must(kept, || format!("the past of {name} was changed: {old:?} to {new:?}"));
            let early = old.has_private_half && !new.has_private_half && new.revoked_at.is_none();
            let ended = new.signs_until.is_some_and(|until| until + self.policy.timing.grace() <= now);
            // A clock within the bound may be ahead.
            let almost = ended || new.signs_until.is_some_and(|until| until <= now);
            self.journal.must(!early || almost, || format!("{name} was destroyed while it signs"));
        }
    }

    /// Every process with a lease had the key long enough when it was chosen to sign.
    async fn changes_were_acknowledged(&mut self, before: &[Record]) {
        for (kid, signs_from) in self.promoted_since(before) {
            let decided_at = signs_from - self.policy.timing.lead();
            let since = decided_at - self.policy.timing.jwks_max_age;
            // Whether a process that has looked again had a lease then is not known.
            let sql = format!(
                "SELECT COUNT(*) FROM replicas r WHERE r.seen_at < {decided} AND r.lease_until > {decided} AND NOT EXISTS (
                     SELECT 1 FROM key_servings s WHERE s.kid = '{kid}' AND s.since <= {since} AND s.served_by = r.id)",
                decided = decided_at.as_millisecond(),
                since = since.as_millisecond(),
            );
            let without = self.number(&sql).await;
            self.journal.must(without == 0, || {
                format!("{} is to sign, and {without} processes have not served it", self.journal.name(&kid))
            });
        }
    }

    /// Keys that waited before and are now to sign at some time. A revocation does not wait for
    /// acknowledgements.
    fn promoted_since(&self, before: &[Record]) -> Vec<(String, Timestamp)> {
        let emergency = |algorithm: &str| self.ring(algorithm).any(|key| key.life.revoked_at.is_some());
        let waited = |kid: &str| before.iter().any(|old| old.kid == kid && old.life.waits());
        self.keys
            .iter()
            .filter(|key| waited(&key.kid) && !emergency(&key.algorithm))
            .filter_map(|key| Some((key.kid.clone(), key.life.signs_from?)))
            .collect()
    }

    fn ring_is_in_order(&self, algorithm: &str) {
        let emergency = self.ring(algorithm).any(|key| key.life.revoked_at.is_some());
        let count = |which: fn(&KeyLife) -> bool| self.ring(algorithm).filter(|key| which(&key.life)).count();
        let (published, designated) = (count(KeyLife::is_published), count(KeyLife::is_designated));
        let most = if emergency { 4 } else { 3 };
        self.journal
            .must((1..=most).contains(&published), || format!("{published} published keys of {algorithm}"));
        self.journal.must(designated == 1 || (emergency && designated == 0), || {
            format!("{designated} keys of {algorithm} are to sign")
        });
        let mut turns: Vec<(Timestamp, Option<Timestamp>, &str)> = self
            .ring(algorithm)
            .filter_map(|key| Some((key.life.signs_from?, key.life.signs_until, key.kid.as_str())))
            .filter(|(from, until, _)| until.is_none_or(|until| until > *from))
            .collect();
        turns.sort_unstable();
        for pair in turns.windows(2) {
            let apart = pair[0].1.is_some_and(|until| until <= pair[1].0);
            self.journal.must(apart, || {
                format!("{} and {} sign at once", self.journal.name(pair[0].2), self.journal.name(pair[1].2))
            });
        }
    }
}
