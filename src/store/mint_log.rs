//! The record of every token, committed before the token leaves.
//!
//! Requests that arrive while a commit is on its way are committed together by the next one, so that
//! durability costs one flush of the disk for many tokens. The same transaction reads each run's
//! state: a run that has ended on any process gets no token from any other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::{Any, AssertSqlSafe, Transaction};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use super::row::{Columns, corrupt};
use super::runs::RunState;
use super::{Engine, Store, StoreError};

/// Requests that may wait for a commit. Beyond it, callers wait in their own request's deadline.
const QUEUE: usize = 16_384;
/// The most that one commit records. Larger ones gain nothing and delay everybody in them.
const BATCH: usize = 256;
/// A commit that takes longer is given up: its callers are told to try again.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(4);

/// What is remembered of a token. Never the token itself.
#[derive(Clone, Debug)]
pub struct MintRecord {
    pub jti: Uuid,
    pub minted_at: Timestamp,
    pub run_id: Uuid,
    pub organization_id: Uuid,
    pub audience: String,
    pub subject: String,
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
    pub fn start(store: &Store) -> Self {
        let (queue, entries) = mpsc::channel(QUEUE);
        let entries = Arc::new(Mutex::new(entries));
        // PostgreSQL flushes several commits at once; SQLite has one writer.
        let lanes = match store.engine {
            Engine::Sqlite => 1,
            Engine::Postgres => 2,
        };
        for _ in 0..lanes {
            tokio::spawn(commit_batches(store.clone(), Arc::clone(&entries)));
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

async fn commit_batches(store: Store, entries: Arc<Mutex<mpsc::Receiver<Entry>>>) {
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
        let states = match timeout(COMMIT_TIMEOUT, commit(&store, &batch)).await {
            Ok(Ok(states)) => Some(states),
            Ok(Err(error)) => {
                tracing::error!(%error, cause = ?error, tokens = batch.len(), "tokens refused: they could not be recorded");
                None
            }
            Err(_) => {
                tracing::error!(
                    tokens = batch.len(),
                    "tokens refused: the database took too long to record them"
                );
                None
            }
        };
        for (index, entry) in batch.drain(..).enumerate() {
            let outcome = match states.as_ref().map(|states| states[index]) {
                None => Err(NotRecorded),
                Some(RunState::Active) => Ok(Recorded::Recorded),
                Some(ended) => Ok(Recorded::RunEnded(ended)),
            };
            let _ = entry.answer.send(outcome);
        }
    }
}

/// Commits the records whose runs are active; returns the state of each one's run.
async fn commit(store: &Store, batch: &[Entry]) -> Result<Vec<RunState>, StoreError> {
    let mut transaction = store.begin_write().await?;
    let runs = states_of_runs(&mut transaction, batch).await?;
    let states = batch
        .iter()
        .map(|Entry { record, .. }| match runs.get(&record.run_id) {
            Some((state, expires_at)) => Ok(state.at(record.minted_at, *expires_at)),
            None => Err(corrupt("run_id", &"a run disappeared")),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let active = batch.iter().zip(&states).filter(|(_, state)| **state == RunState::Active);
    let records: Vec<&MintRecord> = active.map(|(entry, _)| &entry.record).collect();
    insert(&mut transaction, &records).await?;
    transaction.commit().await?;
    Ok(states)
}

async fn states_of_runs(
    transaction: &mut Transaction<'static, Any>,
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
    let rows = query.fetch_all(&mut **transaction).await?;
    rows.iter()
        .map(|row| {
            let state = row.text("state")?;
            let state = RunState::parse(&state).ok_or_else(|| corrupt("state", &state))?;
            Ok((row.uuid("id")?, (state, row.time("expires_at")?)))
        })
        .collect()
}

async fn insert(
    transaction: &mut Transaction<'static, Any>,
    mut records: &[&MintRecord],
) -> Result<(), StoreError> {
    const COLUMNS: usize = 9;
    /// SQLite takes 32,766 parameters in a statement; this stays far below.
    const ROWS: usize = 64;
    while !records.is_empty() {
        // Powers of two only: eight different statements, each prepared once.
        let rows = (1 << records.len().ilog2()).min(ROWS);
        let (chunk, rest) = records.split_at(rows);
        records = rest;
        let values: Vec<String> =
            (0..rows).map(|row| format!("({})", placeholders(row * COLUMNS, COLUMNS))).collect();
        let sql = format!(
            "INSERT INTO id_tokens (jti, minted_at, run_id, organization_id, audience, subject, kid, expires_at, caller)
             VALUES {}",
            values.join(",")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for record in chunk {
            query = query
                .bind(record.jti.to_string())
                .bind(record.minted_at.as_millisecond())
                .bind(record.run_id.to_string())
                .bind(record.organization_id.to_string())
                .bind(record.audience.clone())
                .bind(record.subject.clone())
                .bind(record.kid.clone())
                .bind(record.expires_at.as_millisecond())
                .bind(record.caller.clone());
        }
        query.execute(&mut **transaction).await?;
    }
    Ok(())
}

fn placeholders(offset: usize, count: usize) -> String {
    let each: Vec<String> = (offset + 1..=offset + count).map(|number| format!("${number}")).collect();
    each.join(",")
}
