//! What the tests stand on: a running service with a manual clock, and an HTTP client for it.

mod answer;
mod app;
mod clock;
mod database;
mod keys;

pub(crate) use answer::Answer;
pub(crate) use app::{Setup, TestApp};
pub(crate) use clock::ManualClock;
pub(crate) use database::{Engine, TestDatabase};
pub(crate) use keys::sealing_key_text;

/// Declares each named `async fn(app: TestApp)` of the file as a test on both engines.
macro_rules! on_both_engines {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::harness::TestApp::start($crate::harness::Engine::Sqlite).await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::harness::TestApp::start($crate::harness::Engine::Postgres).await).await;
            })*
        }
    };
}
pub(crate) use on_both_engines;
