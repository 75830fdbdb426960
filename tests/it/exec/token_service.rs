//! Stand-ins for the clouds' token services that record each request and answer as told. They verify nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(super) struct TokenService {
    pub(super) url: String,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    asked: Mutex<Vec<(String, String)>>,
    /// The refusals to send first.
    refusals: Mutex<VecDeque<(u16, String)>>,
}

impl TokenService {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { url, state, accepting }
    }

    /// The variables that point clients to it.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let pairs = [
            ("AWS_ENDPOINT_URL_STS", self.url.clone()),
            ("AZURE_AUTHORITY_HOST", self.url.clone()),
            ("RUNMINT_GOOGLE_STS_URL", format!("{}/v1/token", self.url)),
            ("RUNMINT_GOOGLE_IAM_CREDENTIALS_URL", format!("{}/v1", self.url)),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// Refuses the next request with this answer.
    pub(super) fn refuse(&self, status: u16, body: &str) {
        self.state.refusals.lock().unwrap().push_back((status, body.to_owned()));
    }

    /// Path and body of every request so far.
    pub(super) fn asked(&self) -> Vec<(String, String)> {
        self.state.asked.lock().unwrap().clone()
    }
}

impl Drop for TokenService {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let Some((path, body)) = read(&mut stream).await else { return };
    let refusal = state.refusals.lock().unwrap().pop_front();
    let (status, answer) = refusal.unwrap_or_else(|| (200, answer(&path)));
    state.asked.lock().unwrap().push((path, body));
    let head =
        format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
    let _ = stream.write_all((head + &answer).as_bytes()).await;
}

async fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1)?.lines().next()?.parse().ok()?;
            if body.len() >= length {
                return Some((text.split(' ').nth(1)?.to_owned(), body.to_owned()));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn answer(path: &str) -> String {
    if path == "/" {
        return "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
                <AccessKeyId>ASIASTANDIN</AccessKeyId><SecretAccessKey>aws-secret</SecretAccessKey>\
                <SessionToken>aws-session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>\
                </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
            .to_owned();
    }
    if path.ends_with(":generateAccessToken") {
        return json!({"accessToken": "google-account", "expireTime": "2099-01-01T00:00:00Z"}).to_string();
    }
    let token = if path.ends_with("/oauth2/v2.0/token") { "azure-access" } else { "google-pool" };
    json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600}).to_string()
}
