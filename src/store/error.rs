//! Why the database could not be opened, or could not answer.

use std::path::PathBuf;

use thiserror::Error;

#[derive(Debug, Error)]
pub enum StoreError {
    #[error("the database did not answer or refused")]
    Unavailable(#[from] sqlx::Error),
    #[error("the database holds an invalid value: {0}")]
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
    #[error("could not open the database: {0}")]
    Connect(#[source] sqlx::Error),
    #[error("could not migrate the database schema: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}
