//! Asking the database for the time.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::AssertSqlSafe;

use super::row::Columns;
use super::time::Weather;
use super::{Engine, Store, StoreError};
use crate::clock::Clock;

impl Store {
    /// The same database with another clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.time.clock = Some(clock);
        self
    }

    /// The same database at the end of an unreliable line.
    pub fn with_weather(mut self, weather: Arc<dyn Weather>) -> Self {
        self.time.weather = Some(weather);
        self
    }

    /// The time by the database's clock.
    pub async fn now(&self) -> Result<Timestamp, StoreError> {
        self.pass()?;
        let sql = format!("SELECT {} AS now", self.now_sql());
        sqlx::query(AssertSqlSafe(sql)).fetch_one(&self.read).await?.time("now")
    }

    /// An SQL expression for the present in milliseconds.
    pub(super) fn now_sql(&self) -> String {
        match (&self.time.clock, self.engine) {
            (Some(clock), _) => format!("CAST({} AS BIGINT)", clock.now().as_millisecond()),
            (None, Engine::Sqlite) => "CAST(unixepoch('subsec') * 1000 AS BIGINT)".into(),
            // Not now(), which is when the transaction began.
            (None, Engine::Postgres) => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)".into(),
        }
    }

    pub(super) fn pass(&self) -> Result<(), StoreError> {
        match &self.time.weather {
            Some(weather) if !weather.passes() => Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)),
            _ => Ok(()),
        }
    }
}
