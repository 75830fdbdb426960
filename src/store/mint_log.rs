//! The record of every token, committed before the token leaves.
//!
//! Requests that arrive while a commit is on its way are committed together by the next one, so that
//! durability costs one flush of the disk for many tokens. The same statement reads each run's state:
//! a run that has ended on any process gets no token from any other. And it reads each key's times: a key
//! that was revoked or replaced signs no more from that moment on, even by a process that has slept through it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::{AnyConnection, AssertSqlSafe};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use super::row::{Columns, corrupt};
use super::{Engine, Store, StoreError};
use crate::domain::run::RunState;

/// Requests that may wait for a commit. Beyond it, callers wait in their own request's deadline.
const QUEUE: usize = 16_384;
/// The most that one commit records. Larger ones gain nothing and delay everybody in them.
const BATCH: usize = 256;
/// A commit that takes longer is given up: its callers are told to try again.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long the next commit waits for more requests, when the caller of `start` says that it may.
const GATHER: Duration = Duration::from_millis(2);

/// What is remembered of a token. Never the token itself.
#[derive(Clone, Debug)]
pub struct MintRecord {
    pub jti: Uuid,
    pub minted_at: Timestamp,
    pub run_id: Uuid,
    pub organization_id: Uuid,
    pub audience: String,
    pub subject: String,
    /// The template that made it; `None` for the service's own.
    pub subject_format: Option<String>,
    pub kid: String,
    pub expires_at: Timestamp,
    /// The caller's network address.
    pub caller: String,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Recorded {
    Recorded,
    /// The run is not active: nothing was recorded and no token may be made.
    RunEnded(RunState),
    /// By the database's clock the key does not sign: nothing was recorded. Another may.
    KeyDoesNotSign,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token could not be recorded")]
pub struct NotRecorded;

#[derive(Clone)]
pub struct MintLog {
    queue: mpsc::Sender<Entry>,
}

struct Entry {
    record: MintRecord,
    answer: oneshot::Sender<Result<Recorded, NotRecorded>>,
}

impl MintLog {
    /// Starts the tasks that commit. They end, with everything queued committed, once every `MintLog`
    /// is dropped.
    ///
    /// `may_gather` says whether what follows a commit has so much to do that a later one delays nobody.
    /// Fewer and fuller commits then leave it more of the machine.
    ///
    /// `key_grace`: how long after its last moment a key is still accepted, and before its first.
    pub fn start(
        store: &Store,
        key_grace: SignedDuration,
        may_gather: impl Fn() -> bool + Clone + Send + 'static,
    ) -> Self {
        let (queue, entries) = mpsc::channel(QUEUE);
        let entries = Arc::new(Mutex::new(entries));
        // PostgreSQL flushes several commits at once; SQLite has one writer.
        let lanes = match store.engine {
            Engine::Sqlite => 1,
            Engine::Postgres => 2,
        };
        for _ in 0..lanes {
            tokio::spawn(commit_batches(store.clone(), key_grace, Arc::clone(&entries), may_gather.clone()));
        }
        Self { queue }
    }

    /// Returns once the record is durable, or the run was found to have ended.
    pub async fn record(&self, record: MintRecord) -> Result<Recorded, NotRecorded> {
        let (answer, recorded) = oneshot::channel();
        self.queue.send(Entry { record, answer }).await.map_err(|_| NotRecorded)?;
        recorded.await.map_err(|_| NotRecorded)?
    }
}

async fn commit_batches(
    store: Store,
    key_grace: SignedDuration,
    entries: Arc<Mutex<mpsc::Receiver<Entry>>>,
    may_gather: impl Fn() -> bool,
) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        // The lanes take turns: this lock orders them, and nothing else waits for it.
        if entries.lock().await.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        // Nobody waits any more for what was given up in the queue.
        batch.retain(|entry| !entry.answer.is_closed());
        if batch.is_empty() {
            continue;
        }
        let outcomes = match commit_in_time(&store, key_grace, &batch).await {
            Ok(outcomes) => Some(outcomes),
            Err(error) => {
                tracing::error!(%error, cause = ?error, tokens = batch.len(), "tokens refused: they could not be recorded");
                None
            }
        };
        let mut outcomes = outcomes.map(Vec::into_iter);
        for entry in batch.drain(..) {
            let outcome = outcomes.as_mut().and_then(Iterator::next).ok_or(NotRecorded);
            let _ = entry.answer.send(outcome);
        }
        if may_gather() {
            tokio::time::sleep(GATHER).await;
        }
    }
}

async fn commit_in_time(
    store: &Store,
    key_grace: SignedDuration,
    batch: &[Entry],
) -> Result<Vec<Recorded>, StoreError> {
    store.pass()?;
    let mut connection = store.write.acquire().await?;
    let committed = timeout(COMMIT_TIMEOUT, commit(store, &mut connection, key_grace, batch)).await;
    // Taking too long counts as a database that does not answer.
    let committed = committed.unwrap_or(Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)));
    if committed.is_err() {
        connection.close_on_drop();
    }
    store.pass()?;
    committed
}

/// Commits the records whose runs are active and whose keys sign; returns what became of each.
async fn commit(
    store: &Store,
    connection: &mut AnyConnection,
    key_grace: SignedDuration,
    batch: &[Entry],
) -> Result<Vec<Recorded>, StoreError> {
    let recorded = insert_if_allowed(store, connection, key_grace, batch).await?;
    if recorded == batch.len() as u64 {
        return Ok(batch.iter().map(|_| Recorded::Recorded).collect());
    }
    // Ended runs stay ended, so those that were left out are still found to have ended.
    let runs = states_of_runs(connection, batch).await?;
    let written = written(connection, batch).await?;
    let outcome = |Entry { record, .. }: &Entry| {
        if written.contains(&record.jti) {
            return Recorded::Recorded;
        }
        match runs.get(&record.run_id).map(|(state, expires_at)| state.at(record.minted_at, *expires_at)) {
            Some(RunState::Active) => Recorded::KeyDoesNotSign,
            Some(ended) => Recorded::RunEnded(ended),
            None => {
                // A database restored from a backup under a running process. The others must not suffer.
                tracing::error!(run_id = %record.run_id, "a run asked for a token and is not in the database");
                Recorded::RunEnded(RunState::Cancelled)
            }
        }
    };
    Ok(batch.iter().map(outcome).collect())
}

async fn written(connection: &mut AnyConnection, batch: &[Entry]) -> Result<HashSet<Uuid>, StoreError> {
    let padded = batch.len().next_power_of_two();
    let sql = format!("SELECT jti FROM id_tokens WHERE jti IN ({})", placeholders(0, padded));
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for index in 0..padded {
        query = query.bind(batch[index.min(batch.len() - 1)].record.jti.to_string());
    }
    query.fetch_all(connection).await?.iter().map(|row| row.uuid("jti")).collect()
}

/// Inserts the records whose runs are active and whose keys sign, says how many, and commits: one
/// statement is a transaction of its own, so that recording is one trip to the database. The organization
/// is asked too: a run that was being registered while it was deleted escaped the cancellation.
async fn insert_if_allowed(
    store: &Store,
    connection: &mut AnyConnection,
    key_grace: SignedDuration,
    batch: &[Entry],
) -> Result<u64, StoreError> {
    const COLUMNS: usize = 10;
    // Powers of two only: few different statements, each prepared once. What fills up a batch has no
    // run, and so is never inserted.
    let rows = batch.len().next_power_of_two();
    let values: Vec<String> =
        (0..rows).map(|row| format!("({})", placeholders(row * COLUMNS, COLUMNS))).collect();
    let sql = format!(
        "INSERT INTO id_tokens (jti, minted_at, run_id, organization_id, audience, subject, kid, expires_at, caller, subject_format)
         SELECT v.column1, v.column2, v.column3, v.column4, v.column5, v.column6, v.column7, v.column8, v.column9,
            v.column10
         FROM (VALUES {}) AS v
         JOIN runs r ON r.id = v.column3 AND r.state = 'active' AND r.expires_at > v.column2
         JOIN organizations o ON o.id = r.organization_id AND o.deleted_at IS NULL
         JOIN signing_keys k ON k.kid = v.column7 AND k.revoked_at IS NULL
            AND k.signs_from <= {now} + {grace} AND (k.signs_until IS NULL OR k.signs_until > {now} - {grace})
         {lock}",
        values.join(","),
        now = store.now_sql(),
        grace = key_grace.as_millis(),
        // A revocation waits for those that hold it, and those that wait for a revocation see it.
        lock = if store.engine == Engine::Postgres { "FOR KEY SHARE OF k" } else { "" },
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for row in 0..rows {
        let record = &batch[row.min(batch.len() - 1)].record;
        let run_id = (row < batch.len()).then(|| record.run_id.to_string());
        query = query
            .bind(record.jti.to_string())
            .bind(record.minted_at.as_millisecond())
            .bind(run_id)
            .bind(record.organization_id.to_string())
            .bind(record.audience.clone())
            .bind(record.subject.clone())
            .bind(record.kid.clone())
            .bind(record.expires_at.as_millisecond())
            .bind(record.caller.clone())
            .bind(record.subject_format.clone());
    }
    Ok(query.execute(connection).await?.rows_affected())
}

async fn states_of_runs(
    connection: &mut AnyConnection,
    batch: &[Entry],
) -> Result<HashMap<Uuid, (RunState, Timestamp)>, StoreError> {
    let mut ids: Vec<Uuid> = batch.iter().map(|entry| entry.record.run_id).collect();
    ids.sort_unstable();
    ids.dedup();
    // Repeating the last id up to a power of two keeps the number of different statements small.
    let padded = ids.len().next_power_of_two();
    // A run that was being registered while its organization was deleted escaped the cancellation.
    let sql = format!(
        "SELECT r.id, r.expires_at,
           CASE WHEN r.state = 'active' AND o.deleted_at IS NOT NULL THEN 'cancelled' ELSE r.state END AS state
         FROM runs r JOIN organizations o ON o.id = r.organization_id WHERE r.id IN ({})",
        placeholders(0, padded)
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for index in 0..padded {
        query = query.bind(ids[index.min(ids.len() - 1)].to_string());
    }
    let rows = query.fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            let state = row.text("state")?;
            let state = RunState::parse(&state).ok_or_else(|| corrupt("state", &state))?;
            Ok((row.uuid("id")?, (state, row.time("expires_at")?)))
        })
        .collect()
}

fn placeholders(offset: usize, count: usize) -> String {
    let each: Vec<String> = (offset + 1..=offset + count).map(|number| format!("${number}")).collect();
    each.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-02T03:04:05Z";

    async fn store_with_a_run(folder: &std::path::Path) -> Store {
        let store = Store::open(&format!("sqlite:{}", folder.join("a.db").display()), 2).await.unwrap();
        for sql in [
            "INSERT INTO organizations (id, name, created_at) VALUES ('o', 'acme', 0)",
            "INSERT INTO access_tokens (id, hash, name, role, created_at) VALUES ('t', 'h', 'n', 'admin', 0)",
            "INSERT INTO runs (id, organization_id, service, attributes, subject, claims, state, request_token_hash,
                started_by, created_at, expires_at)
             VALUES ('00000000-0000-0000-0000-000000000001', 'o', 'deploy', '{}', 's', '{}', 'active', 'h', 't', 0,
                4000000000000)",
            "INSERT INTO signing_keys (kid, algorithm, public_jwk, created_at, published_at, signs_from)
             VALUES ('k', 'RS256', '{}', 0, 0, 0)",
        ] {
            sqlx::query(sql).execute(&store.write).await.unwrap();
        }
        store
    }

    fn record(number: u128) -> MintRecord {
        let now: Timestamp = NOW.parse().unwrap();
        MintRecord {
            jti: Uuid::from_u128(number),
            minted_at: now,
            run_id: Uuid::from_u128(1),
            organization_id: Uuid::from_u128(2),
            audience: "a".repeat(200),
            subject: "s".repeat(200),
            subject_format: None,
            kid: "k".into(),
            expires_at: now,
            caller: "127.0.0.1".into(),
        }
    }

    #[tokio::test]
    async fn a_full_disk_refuses_tokens_only_while_it_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let store = store_with_a_run(folder.path()).await;
        let log = MintLog::start(&store, SignedDuration::ZERO, || false);
        // SQLite's own bound on the size of a database fails as a full disk does.
        let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&store.write).await.unwrap();
        let limit = format!("PRAGMA max_page_count = {}", pages + 2);
        sqlx::query(AssertSqlSafe(limit)).execute(&store.write).await.unwrap();
        let mut recorded = 0;
        while log.record(record(recorded)).await.is_ok() {
            recorded += 1;
            assert!(recorded < 1_000, "the limit is reached");
        }
        assert!(recorded > 0);
        // The bound was on the connection that failed, which is gone: there is room again.
        for number in 10_000..10_010 {
            assert_eq!(log.record(record(number)).await, Ok(Recorded::Recorded));
        }
        let stored: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM id_tokens").fetch_one(&store.read).await.unwrap();
        assert_eq!(u128::try_from(stored).unwrap(), recorded + 10);
    }
}
