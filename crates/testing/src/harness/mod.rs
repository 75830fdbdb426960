//! Support for all tests: a running service with a manual clock and an HTTP client for it, or the program
//! itself as a process.

mod answer;
mod app;
mod clock;
mod command;
mod database;
mod entropy;
mod installation;
mod keys;
mod process;
mod program;
mod verifying;

pub use answer::{Answer, shown_json};
pub use app::{START, Setup, TestApp};
pub use clock::ManualClock;
pub use command::{Ended, run, run_as, shown_text};
pub use database::{Engine, TestDatabase};
pub use entropy::SeededEntropy;
pub use installation::{Installation, Service, request_path};
pub use keys::{RSA_KEYS, SharedKeys, rsa_key, sealing_key_text};
pub use process::{DEADLINE, Exited, Process};
pub use program::program;
pub use verifying::{LEEWAY, verify};

/// Waits until `condition` becomes true through something outside this process.
pub async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(5));
    let holds = async {
        while !condition().await {
            looks.tick().await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, holds).await.is_ok(), "it never came about that {what}");
}

/// Runs a test that each engine runs. Its inline snapshots are compared once for each, which `insta` takes for a loop.
pub fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    insta::allow_duplicates! { runtime.block_on(test) }
}

/// Declares each named `async fn(app: TestApp)` of the file as a test on both engines.
///
/// With `Scene:` before the names, each test gets the result of `Scene::set(engine)`.
#[macro_export]
macro_rules! on_both_engines {
    ($scene:ident: $($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[test]
            fn $test() {
                $crate::harness::block_on(async { super::$test(super::$scene::set($crate::harness::Engine::Sqlite).await).await });
            })*
        }
        mod on_postgres {
            $(#[test]
            fn $test() {
                $crate::harness::block_on(async { super::$test(super::$scene::set($crate::harness::Engine::Postgres).await).await });
            })*
        }
    };
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[test]
            fn $test() {
                $crate::harness::block_on(async { super::$test($crate::harness::TestApp::start($crate::harness::Engine::Sqlite).await).await });
            })*
        }
        mod on_postgres {
            $(#[test]
            fn $test() {
                $crate::harness::block_on(async { super::$test($crate::harness::TestApp::start($crate::harness::Engine::Postgres).await).await });
            })*
        }
    };
}
pub use crate::on_both_engines;

/// Declares each named `async fn(installation: Installation)` of the file as a test on both engines.
#[macro_export]
macro_rules! installed_on_both_engines {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[test]
            fn $test() {
                use $crate::harness::{Engine, Installation, block_on};
                block_on(async { super::$test(Installation::new(Engine::Sqlite).await).await });
            })*
        }
        mod on_postgres {
            $(#[test]
            fn $test() {
                use $crate::harness::{Engine, Installation, block_on};
                block_on(async { super::$test(Installation::new(Engine::Postgres).await).await });
            })*
        }
    };
}
pub use crate::installed_on_both_engines;
