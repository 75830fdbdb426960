//! Connecting, and bringing the schema up to date.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use quick_cache::sync::Cache;
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{AnyConnection, AnyPool, Connection};
use tokio::time::timeout;

use super::time::Time;
use super::{Engine, OpenError, Store};

/// How long a caller waits for a connection. Longer waits are better answered "try again".
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// Characters of a path that a URL must not contain unencoded.
const IN_URL: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#');

/// A process that freezes in the middle of a change (a machine that is suspended, a network that is cut) holds
/// locks that minting and every other change wait for, and would commit old times when it wakes up. PostgreSQL
/// ends its transaction after this long; with a change's own time limit that is less than a lease.
const IDLE_IN_TRANSACTION: &str = "SET idle_in_transaction_session_timeout = '3s'";

/// Drops statements that wait for a lock and were abandoned: they would delay every mint behind them.
const LOCK_WAIT: &str = "SET lock_timeout = '5s'";

/// How long the database may take to answer at the start.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Versions of profiles kept in memory: usually one for each organization that has runs.
const PROFILES_CACHED: usize = 256;

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

    fn new(engine: Engine, write: AnyPool, read: AnyPool) -> Self {
        let profiles = Arc::new(Cache::new(PROFILES_CACHED));
        Self { engine, write, read, time: Time::default(), profiles }
    }
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
    Ok(Store::new(Engine::Sqlite, write, read))
}

async fn open_postgres(url: &str, connections: u32) -> Result<Store, OpenError> {
    // A pool tries again until its time is up and then only says so; one plain attempt says what is wrong.
    let attempt = timeout(CONNECT_TIMEOUT, AnyConnection::connect(url)).await;
    let probe = attempt.map_err(|_| OpenError::Connect(sqlx::Error::PoolTimedOut))?;
    probe.map_err(OpenError::Connect)?.close().await.map_err(OpenError::Connect)?;
    let unhurried =
        AnyPoolOptions::new().max_connections(1).connect(url).await.map_err(OpenError::Connect)?;
    // Holds an advisory lock while it works. Other processes wait for that lock without a limit.
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
    Ok(Store::new(Engine::Postgres, pool.clone(), pool))
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
