//! Durable facts, as atomic intents. The only room that speaks SQL.
//!
//! One set of statements runs on SQLite and on PostgreSQL. What differs (pragmas, the lock around
//! migrations, how many connections may write) is in this file and in `opening`.

pub mod access_tokens;
pub mod copies;
pub mod documents;
mod error;
pub mod exchanges;
pub mod id_tokens;
pub mod key_changes;
pub mod mint_log;
mod now;
mod opening;
pub mod organizations;
pub mod principals;
pub mod replicas;
pub mod row;
pub mod runs;
pub mod signing_keys;
pub mod snapshot_verifiers;
pub mod time;
pub mod trusted_issuers;

use std::sync::Arc;

use quick_cache::sync::Cache;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyPool, Connection, Transaction};
use uuid::Uuid;

pub use self::error::{OpenError, StoreError};
use self::time::Time;
use crate::issuer::profile::AudienceProfiles;

#[derive(Clone)]
pub struct Store {
    engine: Engine,
    /// SQLite has one writer at a time: its write pool holds one connection, so that writers queue
    /// here, in order, and not in SQLite's busy loop. On PostgreSQL both are the same pool.
    write: AnyPool,
    read: AnyPool,
    time: Time,
    /// Versions never change, so what was read once is right for ever.
    profiles: Arc<Cache<(Uuid, i64), Arc<AudienceProfiles>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Store {
    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").fetch_one(&self.read).await?;
        Ok(())
    }

    /// Closes every connection, which flushes SQLite's log into the database file.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }

    /// Begins a transaction that writes. When it fails in any way, `connection` must be discarded
    /// (`close_on_drop`): after a commit that a full disk refused, SQLite has rolled back by itself, sqlx
    /// still counts an open transaction, and every later one on that connection would fail.
    async fn begin_write<'c>(
        &self,
        connection: &'c mut PoolConnection<Any>,
    ) -> Result<Transaction<'c, Any>, sqlx::Error> {
        match self.engine {
            // Takes the write lock now: upgrading a read transaction later can fail at once.
            Engine::Sqlite => connection.begin_with("BEGIN IMMEDIATE").await,
            Engine::Postgres => connection.begin().await,
        }
    }
}
