//! A panic in a handler is a bug of ours: it is logged and answered like any other internal error. Otherwise the caller
//! would lose the connection, and the log would miss the panic where it is read as JSON.

use std::any::Any;

use axum::response::{IntoResponse, Response};
use thiserror::Error;

use super::problem::Problem;

#[derive(Debug, Error)]
#[error("a handler panicked: {0}")]
struct Panicked(String);

pub(super) fn answer(panic: Box<dyn Any + Send>) -> Response {
    let text = match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or("no message").to_owned(),
    };
    Problem::internal(&Panicked(text)).into_response()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_logged_with_its_message() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            answer(Box::new("a bound was missed"));
            answer(Box::new("no key is active".to_owned()));
            answer(Box::new(7));
        });
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        for text in ["a bound was missed", "no key is active", "no message"] {
            assert!(
                log.contains(&format!(
                    "ERROR runmint::http::problem: internal error error=a handler panicked: {text}"
                )),
                "{log}"
            );
        }
    }
}
