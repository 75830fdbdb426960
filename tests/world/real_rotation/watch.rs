//! Invariants checked continuously during the test, and invariants checked on the record at its end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Connection, Row};
use tokio::sync::watch;

use super::fast::{self, KEEP_PUBLISHED, PUBLISH_AHEAD, ROTATE_EVERY, millis};
use super::load::Minted;
use crate::harness::TestDatabase;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The keys that sign now or later, by the database's clock.
const KEYS: &str = "
    WITH t AS (SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now)
    SELECT COUNT(*) FILTER (WHERE signs_from IS NOT NULL AND signs_until IS NULL) AS designated,
           COUNT(*) FILTER (WHERE signs_from <= now AND (signs_until IS NULL OR signs_until > now)) AS signing,
           COUNT(*) FILTER (WHERE removed_at IS NULL AND revoked_at IS NULL) AS published,
           COUNT(*) FILTER (WHERE signs_until <= now) AS rotations,
           CAST(COALESCE(GREATEST(MAX(signs_until) FILTER (WHERE removed_at IS NULL) + $1,
                    MAX(published_at) FILTER (WHERE signs_from IS NULL) + $2), now + 60000) - now AS BIGINT)
               AS rotation_is_safe_in
    FROM signing_keys, t GROUP BY now";

/// As of the last look.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) rotations: i64,
    /// The time until a requested rotation is allowed, in milliseconds.
    pub(super) rotation_is_safe_in: i64,
}

pub(super) struct Watch {
    database: TestDatabase,
    jwks_url: String,
    http: reqwest::Client,
    stopped: AtomicBool,
    pub(super) seen: watch::Sender<Seen>,
    pub(super) looks: AtomicU64,
    pub(super) violations: Mutex<Vec<String>>,
}

impl Watch {
    pub(super) fn new(database: TestDatabase, issuer: &str) -> Arc<Self> {
        Arc::new(Self {
            database,
            jwks_url: format!("{issuer}/.well-known/jwks"),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            stopped: AtomicBool::new(false),
            seen: watch::Sender::default(),
            looks: AtomicU64::new(0),
            violations: Mutex::default(),
        })
    }

    /// Runs until `stop`.
    pub(super) async fn keep_looking(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        let mut connection = None;
        while !self.stopped.load(Ordering::Relaxed) {
            ticks.tick().await;
            self.look_at_key_set().await;
            connection = match connection {
                // The database is away now and then.
                None => AnyConnection::connect(&self.database.url).await.ok(),
                Some(connection) => self.look_at_database(connection).await.ok(),
            };
        }
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    async fn look_at_database(&self, mut connection: AnyConnection) -> Result<AnyConnection, sqlx::Error> {
        let query = sqlx::query(KEYS).bind(millis(KEEP_PUBLISHED)).bind(millis(PUBLISH_AHEAD));
        let row = query.fetch_one(&mut connection).await?;
        let number = |name: &str| row.try_get::<i64, _>(name);
        let (designated, signing, published) =
            (number("designated")?, number("signing")?, number("published")?);
        if designated != 1 || signing != 1 || published > 3 {
            self.violation(format!("{designated} designated, {signing} signing, {published} published"));
        }
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.seen.send_replace(Seen {
            rotations: number("rotations")?,
            rotation_is_safe_in: number("rotation_is_safe_in")?,
        });
        Ok(connection)
    }

    /// At every moment some replica serves it, and it never has a fourth key.
    async fn look_at_key_set(&self) {
        let answer = match self.http.get(&self.jwks_url).send().await {
            Ok(answer) if answer.status().is_success() => answer.json::<Value>().await.unwrap(),
            other => return self.violation(format!("no key set: {other:?}")),
        };
        let keys = answer["keys"].as_array().map_or(0, Vec::len);
        if !(1..=3).contains(&keys) {
            self.violation(format!("{keys} keys in the key set"));
        }
    }

    fn violation(&self, what: String) {
        self.violations.lock().unwrap().push(what);
    }
}

/// A key in the record that signs or has signed.
#[derive(Debug)]
pub(super) struct Signed {
    kid: String,
    published_at: i64,
    from: i64,
    until: Option<i64>,
}

/// The keys in the order in which they signed.
pub(super) async fn succession(database: &TestDatabase) -> Vec<Signed> {
    let mut connection = database.connect().await;
    let sql = "SELECT kid, published_at, signs_from, signs_until FROM signing_keys
               WHERE signs_from IS NOT NULL ORDER BY signs_from";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
    let key = |row: &AnyRow| Signed {
        kid: row.get("kid"),
        published_at: row.get("published_at"),
        from: row.get("signs_from"),
        until: row.get("signs_until"),
    };
    rows.iter().map(key).collect()
}

/// Keys follow one another, each for its time; `asked` are those whose rotation was requested. A period has
/// one rotation, however many processes try.
pub(super) fn check_succession(keys: &[Signed], asked: &[String]) {
    let lead = millis(fast::timing().lead().unsigned_abs());
    for pair in keys.windows(2) {
        let [before, next] = pair else { unreachable!("windows of two") };
        assert_eq!(before.until, Some(next.from), "one ends when the next begins: {keys:?}");
        assert!(
            next.from >= next.published_at + millis(PUBLISH_AHEAD) + lead,
            "it was cold: {next:?} {keys:?}"
        );
        if asked.contains(&next.kid) {
            continue;
        }
        let signed_for = next.from - before.from;
        assert!(signed_for >= millis(ROTATE_EVERY), "{next:?} came too early: {keys:?}");
        assert!(
            signed_for < 2 * millis(ROTATE_EVERY),
            "a period without a rotation before {next:?}: {keys:?}"
        );
    }
    for trio in keys.windows(3) {
        let [_, before, next] = trio else { unreachable!("windows of three") };
        let left = before.from + millis(KEEP_PUBLISHED) + lead;
        assert!(next.from >= left, "a fourth key was published with {next:?}: {keys:?}");
    }
    assert_eq!(keys.last().unwrap().until, None, "{keys:?}");
}

/// Every received token is recorded correctly and was made while its key was active.
pub(super) async fn check_record(database: &TestDatabase, tokens: &[Minted]) {
    let grace = millis(fast::timing().grace().unsigned_abs());
    let out_of_time = format!(
        "SELECT COUNT(*) FROM id_tokens t LEFT JOIN signing_keys k ON k.kid = t.kid
         WHERE k.kid IS NULL OR t.minted_at < k.signs_from - {grace} OR t.minted_at > k.signs_until + {grace}"
    );
    assert_eq!(database.number(&out_of_time).await, 0);

    let mut connection = database.connect().await;
    let sql = "SELECT t.jti, t.kid, t.minted_at FROM id_tokens t";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
    let record: HashMap<String, (String, i64)> =
        rows.iter().map(|row| (row.get("jti"), (row.get("kid"), row.get("minted_at")))).collect();
    for token in tokens {
        let (kid, minted_at) = record.get(&token.jti).expect("it was recorded before it left");
        assert_eq!((kid, minted_at / 1000), (&token.kid, token.issued_at.as_second()));
    }
}
