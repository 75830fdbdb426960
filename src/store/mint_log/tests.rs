use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

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
