//! A store for behaviour that no emulator has: it speaks the HTTP that S3 and Google Cloud Storage have in
//! common, and can be made to lose, alter, refuse or garble.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use reqwest::Client;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Fetched, Place, variables};

pub const BEARER_TOKEN: &str = "ya29.c.b0AXv0zTPQa7vQ4notARealToken";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    LosesWrites,
    AltersBodies,
    ForgetsCacheControl,
    AddsContentEncoding,
    /// Answers 403 and repeats the whole request.
    RefusesAndRepeats,
    /// Answers 403 to a request for a missing object, as S3 does without permission to list.
    HidesWhatIsMissing,
    IsUnwell,
    /// As S3 does for a bucket in another region.
    RedirectsToNowhere,
    Mumbles,
    IsSilent,
}

pub struct Shelf {
    pub address: String,
    state: Arc<State>,
    server: JoinHandle<()>,
}

struct State {
    fault: Fault,
    objects: Mutex<BTreeMap<String, Kept>>,
    written: Mutex<Vec<String>>,
}

struct Kept {
    body: Bytes,
    headers: HeaderMap,
}

impl Shelf {
    pub async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State { fault, objects: Mutex::default(), written: Mutex::default() });
        let shared = Arc::clone(&state);
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    let answer = service_fn(|request| answer(Arc::clone(&state), request));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Self { address, state, server }
    }

    /// The paths of all writes, in order.
    pub fn written(&self) -> Vec<String> {
        self.state.written.lock().unwrap().clone()
    }

    pub fn as_s3(&self) -> Vec<(String, SecretString)> {
        variables(&[
            ("AWS_ENDPOINT_URL", &self.address),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("AWS_SESSION_TOKEN", "FwoGZXIvYXdzEXAMPLESESSIONTOKEN"),
        ])
    }
}

/// As Google Cloud Storage: its emulators lack the XML API's answers.
impl Place for Shelf {
    fn target(&self) -> String {
        "gs://documents/site".to_owned()
    }

    fn environment(&self) -> Vec<(String, SecretString)> {
        variables(&[
            ("GOOGLE_BASE_URL", &self.address),
            ("GOOGLE_ALLOW_HTTP", "true"),
            ("GOOGLE_BEARER_TOKEN", BEARER_TOKEN),
        ])
    }

    async fn fetch(&self, path: &str) -> Fetched {
        Fetched::with(Client::new().get(format!("{}/documents/site/{path}", self.address))).await
    }

    async fn meddle(&self, path: &str, body: &str, content_type: &str) {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
        let kept = Kept { body: Bytes::copy_from_slice(body.as_bytes()), headers };
        self.state.objects.lock().unwrap().insert(format!("/documents/site/{path}"), kept);
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let plain = |status, text: String| Ok(Response::builder().status(status).body(text.into()).unwrap());
    match state.fault {
        Fault::RefusesAndRepeats => {
            let repeated = format!("<Error><Code>AccessDenied</Code>{head:?}</Error>");
            return plain(StatusCode::FORBIDDEN, repeated);
        }
        Fault::IsUnwell => return plain(StatusCode::SERVICE_UNAVAILABLE, "try later".to_owned()),
        Fault::RedirectsToNowhere => return plain(StatusCode::MOVED_PERMANENTLY, String::new()),
        Fault::Mumbles => return plain(StatusCode::OK, "hm".to_owned()),
        Fault::IsSilent => std::future::pending::<()>().await,
        _ => {}
    }
    // Google's client encodes the slashes within a name.
    let path = percent_decode_str(head.uri.path()).decode_utf8().unwrap();
    if head.method == Method::PUT {
        put(&state, &path, body, &head.headers);
        return Ok(with_names(Response::new(Full::default())));
    }
    assert_eq!(head.method, Method::GET);
    match state.objects.lock().unwrap().get(&*path) {
        Some(kept) => {
            let mut response = Response::new(kept.body.clone().into());
            *response.headers_mut() = kept.headers.clone();
            Ok(with_names(response))
        }
        None if state.fault == Fault::HidesWhatIsMissing => plain(StatusCode::FORBIDDEN, String::new()),
        None => plain(StatusCode::NOT_FOUND, String::new()),
    }
}

fn put(state: &State, path: &str, body: Bytes, sent: &HeaderMap) {
    state.written.lock().unwrap().push(path.to_owned());
    let mut kept = Kept { body, headers: HeaderMap::new() };
    for name in [CONTENT_TYPE, CACHE_CONTROL] {
        kept.headers.extend(sent.get(&name).map(|value| (name, value.clone())));
    }
    match state.fault {
        Fault::LosesWrites => return,
        Fault::AltersBodies => kept.body = kept.body.to_ascii_uppercase().into(),
        Fault::ForgetsCacheControl => drop(kept.headers.remove(CACHE_CONTROL)),
        Fault::AddsContentEncoding => {
            kept.headers.insert("content-encoding", "gzip".parse().unwrap());
        }
        _ => {}
    }
    state.objects.lock().unwrap().insert(path.to_owned(), kept);
}

/// The headers that both clouds send with every object.
fn with_names(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    for (name, value) in
        [("etag", "\"1\""), ("last-modified", "Sat, 21 Nov 2026 12:00:00 GMT"), ("x-goog-generation", "1")]
    {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}
