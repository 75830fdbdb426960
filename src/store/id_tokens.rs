//! Reading the record of tokens.

use jiff::{SignedDuration, Timestamp};

use super::row::Columns;
use super::{Store, StoreError};
use crate::domain::id_token::SignedToken;
use crate::domain::page::{Page, PageRequest};

/// No token lives longer, whatever is configured.
const LONGEST_LIFE: SignedDuration = SignedDuration::from_hours(25);

impl Store {
    pub async fn unexpired_tokens(
        &self,
        kid: &str,
        now: Timestamp,
        page: PageRequest,
    ) -> Result<Page<SignedToken>, StoreError> {
        let rows = sqlx::query(
            "SELECT t.jti, t.run_id, o.name AS organization, t.audience, t.subject, t.minted_at, t.expires_at
             FROM id_tokens t JOIN organizations o ON o.id = t.organization_id
             WHERE t.jti >= $1 AND (CAST($2 AS TEXT) IS NULL OR t.jti < $2) AND t.kid = $3 AND t.expires_at > $4
             ORDER BY t.jti DESC LIMIT $5",
        )
        .bind(first_jti(now))
        .bind(page.before_text())
        .bind(kid.to_owned())
        .bind(now.as_millisecond())
        .bind(page.fetch_limit())
        .fetch_all(&self.read)
        .await?;
        let items = rows.iter().map(|row| {
            Ok(SignedToken {
                jti: row.uuid("jti")?,
                run_id: row.uuid("run_id")?,
                organization: row.text("organization")?,
                audience: row.text("audience")?,
                subject: row.text("subject")?,
                minted_at: row.time("minted_at")?,
                expires_at: row.time("expires_at")?,
            })
        });
        Ok(page.page(items.collect::<Result<_, StoreError>>()?, |token: &SignedToken| token.jti))
    }

    pub async fn count_unexpired_tokens(&self, kid: &str, now: Timestamp) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) AS tokens FROM id_tokens WHERE jti >= $1 AND kid = $2 AND expires_at > $3";
        let query = sqlx::query(sql).bind(first_jti(now)).bind(kid.to_owned()).bind(now.as_millisecond());
        query.fetch_one(&self.read).await?.integer("tokens")
    }
}

/// Ids begin with their time (RFC 9562 §5.7): a range of them finds the young ones without an index of
/// their own, which every token would have to pay for.
fn first_jti(now: Timestamp) -> String {
    let millis = u64::try_from((now - LONGEST_LIFE).as_millisecond()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid().to_string()
}
