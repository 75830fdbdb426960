//! Compares the tokens that clients received with the database: there are as many records as tokens, and each
//! sampled token is genuine and recorded.

use std::collections::HashSet;

use anyhow::{Context, Result, ensure};
use runmint::clock::{Clock, SystemClock};
use runmint::trust::token::limits::DEFAULT_MAX_LIFETIME;
use runmint::trust::token::{Expectations, KeySet, UnverifiedToken};
use serde_json::Value;
use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, Connection};

pub(crate) struct Received {
    issuer: String,
    keys: KeySet,
    pub(crate) tokens: u64,
    /// The ids of the sampled tokens.
    ids: HashSet<String>,
}

impl Received {
    pub(crate) fn nothing(issuer: String, jwks: &[u8]) -> Result<Self> {
        Ok(Self { issuer, keys: KeySet::parse(jwks)?, tokens: 0, ids: HashSet::new() })
    }

    /// Adds `answers` tokens, of which `samples` are inspected.
    pub(crate) fn add(&mut self, answers: u64, samples: &[Vec<u8>]) -> Result<()> {
        self.tokens += answers;
        for body in samples {
            let token = token(body)?;
            let expected = Expectations {
                issuer: &self.issuer,
                max_lifetime: DEFAULT_MAX_LIFETIME,
                now: SystemClock.now(),
            };
            let authentic = UnverifiedToken::parse(&token)?.verify(&self.keys, &expected)?;
            let verified = authentic.only_for("sts.amazonaws.com")?;
            let id = verified.token_id().context("a token without jti")?;
            ensure!(self.ids.insert(id.to_owned()), "two tokens have the id {id}");
        }
        Ok(())
    }

    /// Compares with the database; returns the number of inspected tokens.
    pub(crate) async fn compare(&self, database_url: &str) -> Result<usize> {
        install_default_drivers();
        let mut database = AnyConnection::connect(&database_url.replacen("sqlite:", "sqlite://", 1)).await?;
        let count: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM id_tokens").fetch_one(&mut database).await?;
        let tokens = self.tokens;
        ensure!(u64::try_from(count)? == tokens, "{tokens} tokens were received and {count} are recorded");
        for id in &self.ids {
            let found = sqlx::query("SELECT 1 FROM id_tokens WHERE jti = $1").bind(id);
            found.fetch_optional(&mut database).await?.with_context(|| format!("{id} is not recorded"))?;
        }
        database.close().await?;
        Ok(self.ids.len())
    }
}

pub(crate) fn token(body: &[u8]) -> Result<String> {
    let answer: Value = serde_json::from_slice(body)?;
    Ok(answer["value"].as_str().context("an answer without a token")?.to_owned())
}
