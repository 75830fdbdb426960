//! Third-party object stores as separate processes. `scripts/install-clients` installs them.

use std::path::Path;
use std::process::Command;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use object_store::azure::{MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::path::Path as Key;
use object_store::{Attribute, Attributes, ObjectStore, PutOptions};
use reqwest::Client;
use runmint::clock::{Clock, SystemClock};
use runmint_testing::places::{AZURITE_ACCOUNT, AZURITE_KEY, Fetched, Place, variables};
use secrecy::SecretString;

use crate::harness::Process;

/// S3, emulated by moto.
pub(super) struct Moto {
    address: String,
    _process: Process,
}

/// Azure Blob Storage, in Microsoft's own emulator.
pub(super) struct Azurite {
    address: String,
    container: &'static str,
    _process: Process,
}

/// Invalid credentials: moto reads only the service name.
const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261121/eu-central-1/s3/aws4_request, \
                         SignedHeaders=host, Signature=0";

impl Moto {
    pub(super) async fn start() -> Self {
        let mut command = Command::new(installed("target/clients/venv/bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", "0"]);
        let process = Process::spawn(command);
        let address = address_in(&process.log_line("Running on http://127.0.0.1:"));
        let moto = Self { address, _process: process };
        // The policy that browsers need to read a bucket.
        let readable = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
            "Action": "s3:GetObject", "Resource": "arn:aws:s3:::documents/*"}]}"#;
        moto.put("", "").await;
        moto.put("?policy", readable).await;
        moto
    }

    async fn put(&self, rest: &str, body: &'static str) {
        let url = format!("{}/documents{rest}", self.address);
        let answer = Client::new().put(url).body(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }
}

impl Place for Moto {
    fn target(&self) -> String {
        "s3://documents/site".to_owned()
    }

    fn environment(&self) -> Vec<(String, SecretString)> {
        variables(&[
            ("AWS_ENDPOINT_URL", &self.address),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ])
    }

    async fn fetch(&self, path: &str) -> Fetched {
        let request = Client::new().get(format!("{}/documents/site/{path}", self.address));
        // moto routes this path to Cognito unless the request looks signed.
        let request = if path.ends_with("/openid-configuration") {
            request.header("authorization", SIGNATURE)
        } else {
            request
        };
        Fetched::with(request).await
    }

    async fn meddle(&self, path: &str, body: &str, content_type: &str) {
        let url = format!("{}/documents/site/{path}", self.address);
        let request = Client::new().put(url).header("content-type", content_type).body(body.to_owned());
        let request = request.header("authorization", SIGNATURE);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }
}

impl Azurite {
    pub(super) async fn start(container: &'static str) -> Self {
        let script = installed("target/clients/node/node_modules/azurite/dist/src/blob/main.js");
        let mut command = Command::new("node");
        command.arg(script).args(["--blobHost", "127.0.0.1", "--blobPort", "0"]);
        command.args(["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]);
        let process = Process::spawn(command);
        let address = address_in(&process.stdout_line("successfully listens on http://127.0.0.1:"));
        let azurite = Self { address, container, _process: process };
        azurite.create_container().await;
        azurite
    }

    /// Creates a container with publicly readable blobs, which takes a signed request (Shared Key).
    async fn create_container(&self) {
        let date = SystemClock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let headers =
            [("x-ms-blob-public-access", "blob"), ("x-ms-date", &date), ("x-ms-version", "2021-12-02")];
        let in_lines = headers.map(|(name, value)| format!("{name}:{value}\n")).concat();
        let resource = format!("/{AZURITE_ACCOUNT}/{AZURITE_ACCOUNT}/{}\nrestype:container", self.container);
        let signed = format!("PUT{}{in_lines}{resource}", "\n".repeat(12));
        let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(AZURITE_KEY).unwrap());
        let signature = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
        let url = format!("{}/{AZURITE_ACCOUNT}/{}?restype=container", self.address, self.container);
        let authorization = format!("SharedKey {AZURITE_ACCOUNT}:{signature}");
        let mut request = Client::new().put(url).header("authorization", authorization);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    }

    fn client(&self) -> MicrosoftAzure {
        let builder = MicrosoftAzureBuilder::new().with_account(AZURITE_ACCOUNT);
        builder
            .with_access_key(AZURITE_KEY)
            .with_endpoint(format!("{}/{AZURITE_ACCOUNT}", self.address))
            .with_allow_http(true)
            .with_container_name(self.container)
            .build()
            .unwrap()
    }
}

impl Place for Azurite {
    fn target(&self) -> String {
        format!("az://{}/site", self.container)
    }

    fn environment(&self) -> Vec<(String, SecretString)> {
        variables(&[
            ("AZURE_STORAGE_ENDPOINT", &format!("{}/{AZURITE_ACCOUNT}", self.address)),
            ("AZURE_ALLOW_HTTP", "true"),
            ("AZURE_STORAGE_ACCOUNT_NAME", AZURITE_ACCOUNT),
            ("AZURE_STORAGE_ACCOUNT_KEY", AZURITE_KEY),
        ])
    }

    async fn fetch(&self, path: &str) -> Fetched {
        let url = format!("{}/{AZURITE_ACCOUNT}/{}/site/{path}", self.address, self.container);
        Fetched::with(Client::new().get(url)).await
    }

    async fn meddle(&self, path: &str, body: &str, content_type: &str) {
        let key = Key::parse(format!("site/{path}")).unwrap();
        let attributes = Attributes::from_iter([(Attribute::ContentType, content_type.to_owned())]);
        let options = PutOptions { attributes, ..PutOptions::default() };
        self.client().put_opts(&key, body.to_owned().into(), options).await.unwrap();
    }
}

fn installed(path: &str) -> std::path::PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    assert!(path.exists(), "the test clients are not installed: run scripts/install-clients");
    path
}

fn address_in(line: &str) -> String {
    let at = line.find("http://").unwrap();
    line[at..].trim().to_owned()
}
