//! The record of every token, committed before the token leaves.
//!
//! Requests that arrive while a commit is on its way are committed together by the next one, so that
//! durability costs one flush of the disk for many tokens. The same statement reads each run's state:
//! a run that has ended on any process gets no token from any other. And it reads each key's times: a key
//! that was revoked or replaced signs no more from that moment on, even by a process that has slept through it.

mod record;
mod statements;

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use sqlx::AnyConnection;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use self::record::Entry;
pub use self::record::{MintRecord, NotRecorded, Recorded};
use self::statements::{insert_if_allowed, states_of_runs, written};
use super::{Engine, Store, StoreError};
use crate::domain::run::RunState;

/// Requests that may wait for a commit. Beyond it, callers wait in their own request's deadline.
const QUEUE: usize = 16_384;
/// The most that one commit records. Larger ones gain nothing and delay every caller in them.
const BATCH: usize = 256;
/// A commit that takes longer is given up: its callers are told to try again.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long the next commit waits for more requests, when the caller of `start` says that it may.
const GATHER: Duration = Duration::from_millis(2);

#[derive(Clone)]
pub struct MintLog {
    queue: mpsc::Sender<Entry>,
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
        // Drop abandoned records: no caller waits for them.
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
                // A database restored from a backup under a running process. Other tokens must not suffer.
                tracing::error!(run_id = %record.run_id, "a run asked for a token and is not in the database");
                Recorded::RunEnded(RunState::Cancelled)
            }
        }
    };
    Ok(batch.iter().map(outcome).collect())
}

#[cfg(test)]
mod tests;
