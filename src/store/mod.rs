//! Durable facts, as atomic intents. The only room that speaks SQL.
//!
//! One set of statements runs on SQLite and on PostgreSQL. What differs (pragmas, the lock around
//! migrations, how many connections may write) is in this file.

pub mod access_tokens;
pub mod copies;
pub mod documents;
pub mod exchanges;
pub mod id_tokens;
pub mod key_changes;
pub mod mint_log;
pub mod organizations;
pub mod principals;
pub mod replicas;
pub mod row;
pub mod runs;
pub mod signing_keys;
pub mod snapshot_verifiers;
pub mod time;
pub mod trusted_issuers;

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Connection, Transaction};
use thiserror::Error;
use tokio::time::timeout;

use self::documents::{PROFILES_CACHED, ProfileCache};
use self::time::Time;

/// How long a caller waits for a connection. Longer waits are better answered "try again".
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a path must not have as it is in a URL.
const IN_URL: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#');

/// A process that freezes in the middle of a change (a machine that is suspended, a network that is cut) holds
/// locks that minting and every other change wait for, and would commit old times when it wakes up. PostgreSQL
/// ends its transaction after this long; with a change's own time limit that is less than a lease.
const IDLE_IN_TRANSACTION: &str = "SET idle_in_transaction_session_timeout = '3s'";
/// What nobody waits for any more must not stand in the queue for a lock: minting would stand behind it.
const LOCK_WAIT: &str = "SET lock_timeout = '5s'";

/// How long the database may take to answer at the start.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct Store {
    engine: Engine,
    /// SQLite has one writer at a time: its write pool holds one connection, so that writers queue
    /// here, in order, and not in SQLite's busy loop. On PostgreSQL both are the same pool.
    write: AnyPool,
    read: AnyPool,
    time: Time,
    /// Versions never change, so what was read once is right for ever.
    profiles: Arc<ProfileCache>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

#[derive(Debug, Error)]
pub enum StoreError {
    #[error("the database did not answer or refused")]
    Unavailable(#[from] sqlx::Error),
    #[error("the database holds a value that cannot be: {0}")]
    Corrupt(String),
}

#[derive(Debug, Error)]
pub enum OpenError {
    #[error(
        "database_url must be `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`, not of scheme `{0}`"
    )]
    Scheme(String),
    #[error("the database file {path}: {source}", path = path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("the database cannot be opened: {0}")]
    Connect(#[source] sqlx::Error),
    #[error("the schema cannot be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

impl Store {
    /// Connects and brings the schema up to date. Any number of processes may do so at once.
    pub async fn open(database_url: &str, connections: u32) -> Result<Self, OpenError> {
        install_default_drivers();
        let store = match database_url.split_once(':') {
            Some(("sqlite", path)) => {
                open_sqlite(path.strip_prefix("//").unwrap_or(path), connections).await?
            }
            Some(("postgres" | "postgresql", _)) => open_postgres(database_url, connections).await?,
            other => {
                return Err(OpenError::Scheme(other.map_or("", |(scheme, _)| scheme).to_owned()));
            }
        };
        Ok(store)
    }

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

fn profile_cache() -> Arc<ProfileCache> {
    Arc::new(ProfileCache::new(PROFILES_CACHED))
}

async fn open_sqlite(path: &str, connections: u32) -> Result<Store, OpenError> {
    let path = Path::new(path);
    make_private_file(path).map_err(|source| OpenError::Folder { path: path.to_owned(), source })?;
    let url = format!("sqlite://{}", utf8_percent_encode(&path.to_string_lossy(), IN_URL));
    let options = || {
        // A file does not hang up: asking first whether it is there would only wake its thread twice.
        let pool = AnyPoolOptions::new().test_before_acquire(false).acquire_timeout(ACQUIRE_TIMEOUT);
        pool.after_connect(|connection, _| {
            Box::pin(async move {
                for pragma in [
                    "PRAGMA busy_timeout = 5000",
                    "PRAGMA journal_mode = WAL",
                    // A commit is on the disk before it is answered.
                    "PRAGMA synchronous = FULL",
                    "PRAGMA foreign_keys = ON",
                ] {
                    sqlx::query(pragma).execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
    };
    let write = options().max_connections(1).connect(&url).await.map_err(OpenError::Connect)?;
    migrate_sqlite(path, &write).await?;
    let read = options().max_connections(connections).connect(&url).await.map_err(OpenError::Connect)?;
    Ok(Store { engine: Engine::Sqlite, write, read, time: Time::default(), profiles: profile_cache() })
}

async fn open_postgres(url: &str, connections: u32) -> Result<Store, OpenError> {
    // A pool tries again until its time is up and then only says so; one plain attempt says what is wrong.
    let attempt = timeout(CONNECT_TIMEOUT, AnyConnection::connect(url)).await;
    let probe = attempt.map_err(|_| OpenError::Connect(sqlx::Error::PoolTimedOut))?;
    probe.map_err(OpenError::Connect)?.close().await.map_err(OpenError::Connect)?;
    let unhurried =
        AnyPoolOptions::new().max_connections(1).connect(url).await.map_err(OpenError::Connect)?;
    // Holds an advisory lock while it works. Whoever waits for that waits for as long as it takes.
    sqlx::migrate!("src/store/migrations").run(&unhurried).await?;
    unhurried.close().await;
    let pool = AnyPoolOptions::new()
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .max_connections(connections)
        .after_connect(|connection, _| {
            Box::pin(async move {
                for limit in [IDLE_IN_TRANSACTION, LOCK_WAIT] {
                    sqlx::query(limit).execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
        .connect(url)
        .await
        .map_err(OpenError::Connect)?;
    Ok(Store {
        engine: Engine::Postgres,
        write: pool.clone(),
        read: pool,
        time: Time::default(),
        profiles: profile_cache(),
    })
}

/// SQLite has no advisory locks, so a lock on a file beside the database keeps a second process out
/// until the first one is done.
async fn migrate_sqlite(path: &Path, pool: &AnyPool) -> Result<(), OpenError> {
    let lock_path = path.with_extension("migrate.lock");
    let fault = |source| OpenError::Folder { path: lock_path.clone(), source };
    let open = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&lock_path);
    let file = open.map_err(fault)?;
    let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
    let _held_until_done = locked.map_err(std::io::Error::other).and_then(|file| file).map_err(fault)?;
    sqlx::migrate!("src/store/migrations").run(pool).await?;
    Ok(())
}

/// The database holds sealed keys and who did what: for this user's eyes only. SQLite gives the files
/// of its log the same mode.
fn make_private_file(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let file = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o022 != 0 {
        let why = format!(
            "others may write to it (mode {mode:o}), and could make themselves admins; run chmod 600"
        );
        return Err(std::io::Error::other(why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_sqlite_connection_commits_to_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store =
            Store::open(&format!("sqlite:{}", folder.path().join("a.db").display()), 2).await.unwrap();
        for pool in [&store.write, &store.read] {
            let number = async |pragma: &'static str| -> i64 {
                sqlx::query_scalar(pragma).fetch_one(pool).await.unwrap()
            };
            assert_eq!(number("PRAGMA synchronous").await, 2, "FULL");
            assert_eq!(number("PRAGMA foreign_keys").await, 1);
            let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(pool).await.unwrap();
            assert_eq!(mode, "wal");
        }
        // Earlier ones can corrupt a database when they reset its write-ahead log.
        let version: String =
            sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&store.read).await.unwrap();
        let parts: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
        assert!(parts >= vec![3, 51, 3], "{version}");
    }
}
