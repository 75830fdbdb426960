use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Semaphore;

/// The server's answer on one path.
#[derive(Clone)]
pub enum Reply {
    /// These bytes, head and body, and then the end of the connection.
    Raw(Vec<u8>),
    /// No byte, for as long as the client waits.
    Silence,
    /// A valid head, and then a byte of the body now and then.
    Drip,
    /// A valid head without a length, and an endless body.
    Endless,
    /// Another reply, once the gate opens.
    Behind(Gate, Box<Reply>),
}

impl Reply {
    pub fn json(body: &Value) -> Self {
        Self::text(&body.to_string())
    }

    pub fn text(body: &str) -> Self {
        Self::with_head("200 OK", &["content-type: application/json"], body)
    }

    pub fn json_with(header: &str, body: &Value) -> Self {
        Self::with_head("200 OK", &["content-type: application/json", header], &body.to_string())
    }

    pub fn status(status: &str) -> Self {
        Self::with_head(status, &["content-type: application/json"], "{}")
    }

    pub fn redirect(status: &str, location: &str) -> Self {
        Self::with_head(status, &[&format!("location: {location}")], "")
    }

    pub fn with_head(status: &str, headers: &[&str], body: &str) -> Self {
        let headers = headers.iter().fold(String::new(), |all, header| all + header + "\r\n");
        let length = body.len();
        Self::Raw(
            format!(
                "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
            .into_bytes(),
        )
    }

    pub fn behind(self, gate: &Gate) -> Self {
        Self::Behind(gate.clone(), Box::new(self))
    }
}

/// Closed until the test opens it.
#[derive(Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    pub fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub fn open(&self) {
        self.0.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    pub(super) async fn pass(&self) {
        drop(self.0.acquire().await.unwrap());
    }
}
