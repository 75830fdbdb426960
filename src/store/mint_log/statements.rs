//! The statements of the record: few different ones, each prepared once.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use sqlx::{AnyConnection, AssertSqlSafe};
use uuid::Uuid;

use super::record::Entry;
use crate::domain::run::RunState;
use crate::store::row::{Columns, corrupt};
use crate::store::{Engine, Store, StoreError};

/// Inserts the records whose runs are active and whose keys sign, says how many, and commits: one
/// statement is a transaction of its own, so that recording is one trip to the database. The organization
/// is asked too: a run that was being registered while it was deleted escaped the cancellation.
pub(super) async fn insert_if_allowed(
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

pub(super) async fn states_of_runs(
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

pub(super) async fn written(
    connection: &mut AnyConnection,
    batch: &[Entry],
) -> Result<HashSet<Uuid>, StoreError> {
    let padded = batch.len().next_power_of_two();
    let sql = format!("SELECT jti FROM id_tokens WHERE jti IN ({})", placeholders(0, padded));
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for index in 0..padded {
        query = query.bind(batch[index.min(batch.len() - 1)].record.jti.to_string());
    }
    query.fetch_all(connection).await?.iter().map(|row| row.uuid("jti")).collect()
}

fn placeholders(offset: usize, count: usize) -> String {
    let each: Vec<String> = (offset + 1..=offset + count).map(|number| format!("${number}")).collect();
    each.join(",")
}
