//! Exchanges of other issuers' tokens: each token once, and what was decided.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{Any, Transaction};
use uuid::Uuid;

use super::row::{Columns, corrupt};
use super::runs::insert_run;
use super::{Store, StoreError};
use crate::domain::access_token::{AccessToken, Holder};
use crate::domain::exchange::{Exchange, Exchanged, Outcome};
use crate::domain::page::{Page, PageRequest};
use crate::domain::run::Run;
use crate::opaque_token::TokenHash;

/// How many are kept for each issuer and outcome: strangers whose tokens are refused must not push out what
/// was granted.
const KEPT: i64 = 1_000;
/// A transaction that takes long holds up every other on SQLite.
const FORGOTTEN_AT_ONCE: i64 = 500;

/// One use of a token.
pub struct Use {
    /// Of its jti, or of the token: SHA-256 in hexadecimal.
    pub token_hash: String,
    pub request_hash: String,
    /// From when on the token is refused anyway.
    pub expires_at: Timestamp,
}

/// The access token, and perhaps the run, that a token is exchanged for.
pub struct Gained<'g> {
    pub token: &'g AccessToken,
    pub secret: &'g TokenHash,
    /// When what is registered of the issuer last changed, as far as the decision knew.
    pub issuer_modified_at: Timestamp,
    /// A run that starts at once, and its request token.
    pub run: Option<(&'g Run, &'g TokenHash)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spent {
    Now,
    /// It was used before, for the same request or for another.
    Before {
        same_request: bool,
        at: Timestamp,
        access_token_id: Uuid,
        run_id: Option<Uuid>,
    },
    /// The issuer, its policies or the organization changed meanwhile.
    Changed,
}

impl Store {
    /// Marks the token as used and makes what it is exchanged for: one transaction, on whatever process.
    pub async fn exchange(
        &self,
        exchange: &Exchange,
        used: &Use,
        gained: Gained<'_>,
    ) -> Result<Spent, StoreError> {
        let mut connection = self.write.acquire().await?;
        let done = async {
            let mut transaction = self.begin_write(&mut connection).await?;
            let spent = spend(&mut transaction, exchange, used, &gained).await?;
            match spent {
                Spent::Now => transaction.commit().await?,
                _ => transaction.rollback().await?,
            }
            Ok(spent)
        }
        .await;
        if done.is_err() {
            connection.close_on_drop();
        }
        done
    }

    /// Remembers an exchange that was refused by policy.
    pub async fn record_refusal(&self, exchange: &Exchange) -> Result<(), StoreError> {
        insert_exchange(exchange, None).execute(&self.write).await?;
        Ok(())
    }

    /// The last exchanges of an issuer, newest first.
    pub async fn exchanges(&self, issuer: Uuid, page: PageRequest) -> Result<Page<Exchanged>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, trusted_issuer_id, at, asked, claims, outcome, policy_version, caller, access_token_id
             FROM exchanges
             WHERE trusted_issuer_id = $1 AND (CAST($2 AS TEXT) IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        )
        .bind(issuer.to_string())
        .bind(page.before_text())
        .bind(page.fetch_limit())
        .fetch_all(&self.read)
        .await?;
        let items = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(page.page(items, |one: &Exchanged| one.exchange.id))
    }

    /// Deletes what is no longer needed: uses of expired tokens, and exchanges beyond the last thousand of
    /// each issuer and outcome. A little at a time, so that it delays no request.
    pub async fn forget_old_exchanges(&self, now: Timestamp) -> Result<(), StoreError> {
        let forget = "DELETE FROM used_tokens WHERE (trusted_issuer_id, token_hash) IN
                      (SELECT trusted_issuer_id, token_hash FROM used_tokens WHERE expires_at < $1 LIMIT $2)";
        loop {
            let some = sqlx::query(forget).bind(now.as_millisecond()).bind(FORGOTTEN_AT_ONCE);
            if some.execute(&self.write).await?.rows_affected() == 0 {
                break;
            }
        }
        let many = "SELECT trusted_issuer_id, outcome FROM exchanges
                    GROUP BY trusted_issuer_id, outcome HAVING COUNT(*) > $1";
        for row in sqlx::query(many).bind(KEPT).fetch_all(&self.read).await? {
            self.forget_exchanges(&row.text("trusted_issuer_id")?, &row.text("outcome")?).await?;
        }
        Ok(())
    }

    async fn forget_exchanges(&self, issuer: &str, outcome: &str) -> Result<(), StoreError> {
        let last_kept = "SELECT id FROM exchanges WHERE trusted_issuer_id = $1 AND outcome = $2
                         ORDER BY id DESC LIMIT 1 OFFSET $3";
        let last_kept =
            sqlx::query(last_kept).bind(issuer.to_owned()).bind(outcome.to_owned()).bind(KEPT - 1);
        let Some(last_kept) = last_kept.fetch_optional(&self.read).await? else { return Ok(()) };
        let last_kept = last_kept.text("id")?;
        let forget = "DELETE FROM exchanges WHERE id IN
                      (SELECT id FROM exchanges WHERE trusted_issuer_id = $1 AND outcome = $2 AND id < $3 LIMIT $4)";
        loop {
            let some = sqlx::query(forget)
                .bind(issuer.to_owned())
                .bind(outcome.to_owned())
                .bind(last_kept.clone())
                .bind(FORGOTTEN_AT_ONCE);
            if some.execute(&self.write).await?.rows_affected() == 0 {
                return Ok(());
            }
        }
    }
}

async fn spend(
    transaction: &mut Transaction<'_, Any>,
    exchange: &Exchange,
    used: &Use,
    gained: &Gained<'_>,
) -> Result<Spent, StoreError> {
    let run_id = gained.run.map(|(run, _)| run.id);
    if let Some(before) = used_under_another_registration(transaction, exchange.issuer_id, used).await? {
        return Ok(before);
    }
    let inserted = sqlx::query(
        "INSERT INTO used_tokens (trusted_issuer_id, token_hash, request_hash, used_at, expires_at, access_token_id, run_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(exchange.issuer_id.to_string())
    .bind(used.token_hash.clone())
    .bind(used.request_hash.clone())
    .bind(exchange.at.as_millisecond())
    .bind(used.expires_at.as_millisecond())
    .bind(gained.token.id.to_string())
    .bind(run_id.map(|id| id.to_string()))
    .execute(&mut **transaction)
    .await?;
    if inserted.rows_affected() == 0 {
        return used_before(transaction, exchange.issuer_id, used).await;
    }
    if !insert_token(transaction, exchange, gained).await? {
        return Ok(Spent::Changed);
    }
    if let Some((run, request_token)) = gained.run {
        let insert = insert_run(run, request_token, gained.token.id)?;
        if insert.execute(&mut **transaction).await?.rows_affected() == 0 {
            return Ok(Spent::Changed);
        }
    }
    insert_exchange(exchange, Some(gained.token.id)).execute(&mut **transaction).await?;
    sqlx::query("UPDATE trusted_issuers SET last_used_at = $1 WHERE id = $2")
        .bind(exchange.at.as_millisecond())
        .bind(exchange.issuer_id.to_string())
        .execute(&mut **transaction)
        .await?;
    Ok(Spent::Now)
}

/// `false` when anything that the decision was made by is not as it was.
async fn insert_token(
    transaction: &mut Transaction<'_, Any>,
    exchange: &Exchange,
    gained: &Gained<'_>,
) -> Result<bool, StoreError> {
    let AccessToken { id, name, role, created_at, expires_at, holder, origin, .. } = gained.token;
    let (principal, runner) = match holder {
        Holder::Role => (None, None),
        Holder::Principal { id, .. } => (Some(id.to_string()), None),
        Holder::Runner(runner) => (None, Some(runner.clone())),
    };
    let origin = serde_json::to_string(origin).map_err(|error| corrupt("origin", &error))?;
    let inserted = sqlx::query(
        "INSERT INTO access_tokens (id, hash, name, role, organization_id, created_at, expires_at, principal_id, runner,
             trusted_issuer_id, origin)
         SELECT $1, $2, $3, $4, o.id, $5, $6, $7, $8, i.id, $9
         FROM trusted_issuers i JOIN organizations o ON o.id = i.organization_id AND o.deleted_at IS NULL
         WHERE i.id = $10 AND i.deleted_at IS NULL AND i.policy_version = $11 AND i.modified_at = $12
           AND (CAST($7 AS TEXT) IS NULL
                OR EXISTS (SELECT 1 FROM principals p WHERE p.id = $7 AND p.deleted_at IS NULL))",
    )
    .bind(id.to_string())
    .bind(gained.secret.as_str().to_owned())
    .bind(name.clone())
    .bind(role.as_str())
    .bind(created_at.as_millisecond())
    .bind(expires_at.map(Timestamp::as_millisecond))
    .bind(principal)
    .bind(runner)
    .bind(origin)
    .bind(exchange.issuer_id.to_string())
    .bind(exchange.policy_version)
    .bind(gained.issuer_modified_at.as_millisecond())
    .execute(&mut **transaction)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// An issuer that was deleted and registered again is the same one, and its tokens were used.
async fn used_under_another_registration(
    transaction: &mut Transaction<'_, Any>,
    issuer: Uuid,
    used: &Use,
) -> Result<Option<Spent>, StoreError> {
    let row = sqlx::query(
        "SELECT u.request_hash, u.used_at, u.access_token_id, u.run_id FROM used_tokens u
         JOIN trusted_issuers other ON other.id = u.trusted_issuer_id
         JOIN trusted_issuers i ON i.organization_id = other.organization_id AND i.url = other.url
         WHERE i.id = $1 AND other.id <> $1 AND u.token_hash = $2",
    )
    .bind(issuer.to_string())
    .bind(used.token_hash.clone())
    .fetch_optional(&mut **transaction)
    .await?;
    row.map(|row| spent_before(&row, used)).transpose()
}

async fn used_before(
    transaction: &mut Transaction<'_, Any>,
    issuer: Uuid,
    used: &Use,
) -> Result<Spent, StoreError> {
    let row = sqlx::query(
        "SELECT request_hash, used_at, access_token_id, run_id FROM used_tokens
         WHERE trusted_issuer_id = $1 AND token_hash = $2",
    )
    .bind(issuer.to_string())
    .bind(used.token_hash.clone())
    .fetch_one(&mut **transaction)
    .await?;
    spent_before(&row, used)
}

fn spent_before(row: &AnyRow, used: &Use) -> Result<Spent, StoreError> {
    Ok(Spent::Before {
        same_request: row.text("request_hash")? == used.request_hash,
        at: row.time("used_at")?,
        access_token_id: row.uuid("access_token_id")?,
        run_id: row.optional_uuid("run_id")?,
    })
}

fn read(row: &AnyRow) -> Result<Exchanged, StoreError> {
    let outcome = row.text("outcome")?;
    let exchange = Exchange {
        id: row.uuid("id")?,
        issuer_id: row.uuid("trusted_issuer_id")?,
        at: row.time("at")?,
        asked: row.json("asked")?,
        claims: row.json("claims")?,
        outcome: Outcome::parse(&outcome).ok_or_else(|| corrupt("outcome", &outcome))?,
        policy_version: row.integer("policy_version")?,
        caller: row.text("caller")?,
    };
    Ok(Exchanged { exchange, access_token_id: row.optional_uuid("access_token_id")? })
}

fn insert_exchange(
    exchange: &Exchange,
    token: Option<Uuid>,
) -> sqlx::query::Query<'static, Any, sqlx::any::AnyArguments> {
    sqlx::query(
        "INSERT INTO exchanges (id, trusted_issuer_id, at, asked, claims, outcome, policy_version, caller, access_token_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(exchange.id.to_string())
    .bind(exchange.issuer_id.to_string())
    .bind(exchange.at.as_millisecond())
    .bind(exchange.asked.to_string())
    .bind(Value::Object(exchange.claims.clone()).to_string())
    .bind(exchange.outcome.as_str())
    .bind(exchange.policy_version)
    .bind(exchange.caller.clone())
    .bind(token.map(|id| id.to_string()))
}
