//! HTTPS: which certificates are trusted, how plain HTTP is answered, and how certificates are replaced
//! without downtime.

use std::error::Error;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use rcgen::generate_simple_self_signed;
use runmint::http::connections::Connections;
use runmint::http::tls::CertificateFiles;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

use crate::harness::{DEADLINE, Engine, Installation, Setup, TestApp};

async fn with_dev_tls() -> TestApp {
    Setup::new(Engine::Sqlite).config("dev_tls = true").run().await
}

/// The error with all its causes, in one text.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[tokio::test]
async fn only_clients_that_trust_the_local_authority_connect_to_dev_tls() {
    let app = with_dev_tls().await;
    let url = format!("{}/.well-known/jwks", app.issuer);
    assert!(url.starts_with("https://"));
    // This client trusts only the authority in ca.pem.
    assert_eq!(app.http.get(&url).send().await.unwrap().status(), 200);

    // These trust another authority, or the system's, which do not include ours.
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    let stranger = reqwest::Certificate::from_pem(stranger.as_bytes()).unwrap();
    let builder = || reqwest::Client::builder().no_proxy();
    for client in [builder().tls_certs_only([stranger]), builder()] {
        let error = client.build().unwrap().get(&url).send().await.unwrap_err();
        assert!(causes(&error).contains("certificate"), "{}", causes(&error));
    }
}

#[tokio::test]
async fn only_its_owner_can_read_the_private_key_of_dev_tls() {
    let app = with_dev_tls().await;
    let mode = |name: &str| {
        std::fs::metadata(app.folder().join("tls").join(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("server.key"), mode("")), (0o600, 0o700));
    // The authority's own key is not stored: no second certificate can be made that its clients would trust.
    let files = std::fs::read_dir(app.folder().join("tls")).unwrap();
    let keys = files.filter(|file| {
        let path = file.as_ref().unwrap().path();
        std::fs::read_to_string(path).unwrap().contains("PRIVATE KEY")
    });
    assert_eq!(keys.count(), 1);
}

#[tokio::test]
async fn plain_http_to_the_https_port_gets_no_answer_and_does_not_hang() {
    let app = with_dev_tls().await;
    let run = app.start_run(&serde_json::json!({})).await;
    let path = run["request_url"].as_str().unwrap().split_once("/api/").unwrap().1;
    let token = run["request_token"].as_str().unwrap();
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let request = format!("GET /api/{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut received)).await;
    // It may break off; it must not stay open.
    let _ = read.expect("the connection is closed");
    // At most one alert record (RFC 8446 §6): its type, version, length, level and description.
    assert!(received.is_empty() || (received[0] == 21 && received.len() == 7), "{received:?}");
    assert_eq!(app.database.number("SELECT COUNT(*) FROM id_tokens").await, 0);
}

/// A self-signed certificate for localhost and its key, in files.
struct Files {
    certificate: PathBuf,
    private_key: PathBuf,
    folder: TempDir,
}

struct Pair {
    certificate: String,
    private_key: String,
}

impl Pair {
    fn make() -> Self {
        let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self { certificate: made.cert.pem(), private_key: made.signing_key.serialize_pem() }
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

impl Files {
    fn of(pair: &Pair) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        let files = Self { certificate: path("tls.pem"), private_key: path("tls.key"), folder };
        write(&files.certificate, &pair.certificate);
        write(&files.private_key, &pair.private_key);
        files
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// Serves https with these files until the returned sender is dropped.
async fn serve(files: &Arc<CertificateFiles>) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let connections = Connections {
        listener,
        router: Router::new().route("/", get(|| async { "hello" })),
        tls: Some(files.acceptor().unwrap()),
        max_connections: 10,
        header_timeout: Duration::from_secs(10),
        shutdown_timeout: Duration::from_secs(1),
    };
    tokio::spawn(connections.serve(stopped));
    (address, stop)
}

/// A connection with `trusted` as the only certificate authority, if it succeeds.
async fn connect(
    address: SocketAddr,
    trusted: &Pair,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await?).await
}

async fn hello(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin)) {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "{answer:?}");
    }
}

#[tokio::test]
async fn a_replaced_certificate_is_served_on_new_connections() {
    let (old, new) = (Pair::make(), Pair::make());
    let on_disk = Files::of(&old);
    let files = CertificateFiles::load(&on_disk.certificate, &on_disk.private_key).unwrap();
    let (address, _serving) = serve(&files).await;
    let mut open = connect(address, &old).await.unwrap();
    hello(&mut open).await;
    assert!(!files.reload_if_changed().unwrap());

    write(&on_disk.certificate, &new.certificate);
    write(&on_disk.private_key, &new.private_key);
    assert!(files.reload_if_changed().unwrap());
    assert!(!files.reload_if_changed().unwrap());
    hello(&mut connect(address, &new).await.unwrap()).await;
    assert!(connect(address, &old).await.is_err());
    // An existing connection is not disturbed.
    hello(&mut open).await;
}

#[tokio::test]
async fn broken_new_files_leave_the_old_certificate_in_use() {
    let (old, new) = (Pair::make(), Pair::make());
    let on_disk = Files::of(&old);
    let files = CertificateFiles::load(&on_disk.certificate, &on_disk.private_key).unwrap();
    let (address, _serving) = serve(&files).await;
    let half = &new.certificate[..new.certificate.len() / 2];
    for (certificate, private_key, named) in [
        // Read between the replacements of the two files.
        (new.certificate.as_str(), old.private_key.as_str(), "tls.key"),
        (&old.certificate, &new.private_key, "tls.key"),
        (half, &new.private_key, "tls.pem"),
        ("", &new.private_key, "tls.pem"),
        (&new.certificate, "", "tls.key"),
        (&new.private_key, &new.certificate, "tls.pem"),
    ] {
        write(&on_disk.certificate, certificate);
        write(&on_disk.private_key, private_key);
        let error = files.reload_if_changed().unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
        assert!(!error.contains("PRIVATE KEY"), "{error}");
        hello(&mut connect(address, &old).await.unwrap()).await;
    }
    std::fs::remove_file(&on_disk.certificate).unwrap();
    assert!(files.reload_if_changed().unwrap_err().to_string().contains("tls.pem"));
    hello(&mut connect(address, &old).await.unwrap()).await;

    write(&on_disk.certificate, &new.certificate);
    write(&on_disk.private_key, &new.private_key);
    assert!(files.reload_if_changed().unwrap());
    hello(&mut connect(address, &new).await.unwrap()).await;
}

#[tokio::test]
async fn an_unusable_certificate_stops_the_start() {
    let (one, other) = (Pair::make(), Pair::make());
    let mismatched = Files::of(&Pair { certificate: one.certificate, private_key: other.private_key });
    let (certificate, private_key) = (&mismatched.certificate, &mismatched.private_key);
    let missing = mismatched.folder.path().join("missing.pem");
    for (certificate, private_key, expected) in [
        (certificate, private_key, "tls.key: does not go with the certificate"),
        (certificate, certificate, "tls.pem: not a PEM private key"),
        (private_key, private_key, "tls.key: holds no PEM certificate"),
        (&missing, private_key, "missing.pem: "),
    ] {
        let settings = format!(
            "tls_certificate_file = '{}'\ntls_private_key_file = '{}'",
            certificate.display(),
            private_key.display()
        );
        let installation = Installation::new(Engine::Sqlite).await.configure(&settings);
        installation.init(&[]);
        let exited = installation.run(&["serve"]);
        assert!(exited.refusal(3).contains(expected), "expected `{expected}` in {exited:?}");
    }
}
