//! What must hold at every moment, looked at all the time; and what must have held, when all is over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use sqlx::{AnyConnection, Connection, Row};
use tokio::sync::watch;

use super::fast::{self, KEEP_PUBLISHED, ROTATE_EVERY, millis};
use super::load::Minted;
use crate::harness::TestDatabase;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Whoever may sign or is to sign, by the database's clock.
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
    /// How long until a rotation that is asked for is not refused, in milliseconds.
    pub(super) rotation_is_safe_in: i64,
}

pub(super) struct Watch {
    database: TestDatabase,
    jwks_url: String,
    http: reqwest::Client,
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
            seen: watch::Sender::default(),
            looks: AtomicU64::new(0),
            violations: Mutex::default(),
        })
    }

    /// Until the task is aborted.
    pub(super) async fn keep_looking(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        let mut connection = None;
        loop {
            ticks.tick().await;
            self.look_at_key_set().await;
            connection = match connection {
                // The database is away now and then.
                None => AnyConnection::connect(&self.database.url).await.ok(),
                Some(connection) => self.look_at_database(connection).await.ok(),
            };
        }
    }

    async fn look_at_database(&self, mut connection: AnyConnection) -> Result<AnyConnection, sqlx::Error> {
        let query = sqlx::query(KEYS).bind(millis(KEEP_PUBLISHED)).bind(millis(fast::PUBLISH_AHEAD));
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

    /// Somebody has it at every moment, and it never has a fourth key.
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

/// One key after another, each for its time; `asked` are those whose rotation somebody asked for. Returns
/// how many rotations there were.
pub(super) async fn check_succession(database: &TestDatabase, asked: &[String]) -> usize {
    let mut connection = database.connect().await;
    let sql = "SELECT kid, signs_from, COALESCE(signs_until, 0) AS signs_until
               FROM signing_keys WHERE signs_from IS NOT NULL ORDER BY signs_from";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
    let keys: Vec<(String, i64, i64)> =
        rows.iter().map(|row| (row.get("kid"), row.get("signs_from"), row.get("signs_until"))).collect();
    for pair in keys.windows(2) {
        let ((_, from, until), (kid, next_from, _)) = (&pair[0], &pair[1]);
        assert_eq!(until, next_from, "one ends when the next begins: {keys:?}");
        let least = if asked.contains(kid) { KEEP_PUBLISHED } else { ROTATE_EVERY };
        assert!(next_from - from >= millis(least), "{kid} came too early: {keys:?}");
    }
    keys.len() - 1
}

/// Every token that came is in the record as what it is, and none is of a key whose time was over.
pub(super) async fn check_record(database: &TestDatabase, tokens: &[Minted]) {
    let grace = i64::try_from(fast::timing().grace().as_millis()).unwrap();
    let after_the_end = "SELECT COUNT(*) FROM id_tokens t JOIN signing_keys k ON k.kid = t.kid
                         WHERE t.minted_at > k.signs_until +";
    assert_eq!(database.number(&format!("{after_the_end} {grace}")).await, 0);

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
