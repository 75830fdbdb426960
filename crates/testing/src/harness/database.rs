use std::path::Path;

use sqlx::{AnyConnection, AssertSqlSafe, Connection};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// A database for one test.
#[derive(Clone)]
pub struct TestDatabase {
    pub url: String,
}

impl TestDatabase {
    pub async fn create(engine: Engine, folder: &Path) -> Self {
        match engine {
            Engine::Sqlite => Self { url: format!("sqlite:{}", folder.join("runmint.db").display()) },
            Engine::Postgres => Self::on_postgres().await,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the harness is told where its PostgreSQL is")]
    async fn on_postgres() -> Self {
        let server = std::env::var("RUNMINT_TEST_POSTGRES_URL").expect(
            "RUNMINT_TEST_POSTGRES_URL names no PostgreSQL: run the tests with `scripts/with-postgres cargo test`, or `make check`",
        );
        let name = format!("t{}", uuid::Uuid::from_u128(random()).simple());
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(&server).await.expect("the test PostgreSQL answers");
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        let base = server.rsplit_once('/').unwrap().0;
        Self { url: format!("{base}/{name}") }
    }

    /// A connection for the test, to read or to damage data.
    pub async fn connect(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        AnyConnection::connect(&self.url).await.unwrap()
    }

    /// Runs one statement.
    pub async fn execute(&self, sql: &str) {
        let mut connection = self.connect().await;
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The only number that a query returns.
    pub async fn number(&self, sql: &str) -> i64 {
        let mut connection = self.connect().await;
        let number =
            sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        number
    }

    /// The only text that a query returns.
    pub async fn text(&self, sql: &str) -> String {
        let mut connection = self.connect().await;
        let text =
            sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        text
    }

    /// Every row of every table in a stable order, as in a backup.
    pub async fn dump(&self) -> String {
        let mut connection = self.connect().await;
        let postgres = self.url.starts_with("postgres");
        let tables = if postgres {
            "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
        } else {
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1"
        };
        let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut connection).await.unwrap();
        let mut dump = String::new();
        for table in tables {
            let row = if postgres {
                "CAST(t AS TEXT)".to_owned()
            } else {
                let columns = AssertSqlSafe(format!("SELECT name FROM pragma_table_info('{table}')"));
                let columns: Vec<String> =
                    sqlx::query_scalar(columns).fetch_all(&mut connection).await.unwrap();
                columns.iter().map(|name| format!("quote({name})")).collect::<Vec<_>>().join(" || ',' || ")
            };
            let rows = AssertSqlSafe(format!("SELECT {row} FROM {table} t ORDER BY 1"));
            let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut connection).await.unwrap();
            dump.extend([table, rows.join("\n")].map(|part| part + "\n"));
        }
        connection.close().await.unwrap();
        dump
    }
}

/// For database names only: tests run in parallel and must not share one.
fn random() -> u128 {
    use runmint::entropy::{Entropy, SystemEntropy};
    let mut bytes = [0; 16];
    SystemEntropy::new().fill(&mut bytes);
    u128::from_le_bytes(bytes)
}
